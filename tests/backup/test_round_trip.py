"""What was backed up while others published comes back as it was: every event at its sequence and time, every file."""

import asyncio
import json
import os
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from ml.serving.outbox import Outbox
from services.accounts.accounts import Accounts
from services.backup.restoring import restore
from services.bus.errors import SnapshotBroken
from services.bus.jetstream import JetStreamBus
from services.keys import load_secrets, signing_seed
from services.settings import Settings
from tests.backup.conftest import EVENTS
from tests.backup.installation import (
    PASSWORD,
    backed_up,
    digests_of,
    files_in,
    furnish,
    quiet,
    records_of,
    signal,
    signals,
)
from tests.servers import NatsServer


async def test_all_that_was_acknowledged_before_comes_back_with_its_sequence_and_time(
    nats_server: NatsServer, tmp_path: Path, elsewhere: Settings
) -> None:
    settings = await furnish(nats_server, events=500)
    bus = await JetStreamBus.connect(nats_server.url, name="test")
    acknowledged = 0

    async def publish() -> None:
        nonlocal acknowledged
        number = 500
        while True:
            acknowledged = (await bus.publish(signal(number))).seq
            number += 1

    producer = asyncio.create_task(publish())
    try:
        while acknowledged < 700:  # noqa: ASYNC110 - the producer works meanwhile
            await asyncio.sleep(0)
        before = acknowledged
        manifest = await backed_up(settings, tmp_path / "backup.tar")
    finally:
        producer.cancel()
        await asyncio.wait({producer})
        await bus.close()
    assert manifest.log.last_seq >= before
    there = await records_of(nats_server.url, manifest.log.last_seq)
    assert len(there) == manifest.log.messages

    await restore(elsewhere, tmp_path / "backup.tar", quiet)
    restored = NatsServer(elsewhere.home)
    restored.start()
    try:
        back = await records_of(restored.url)
        assert back == there
        assert await digests_of(restored.url, back) == await digests_of(nats_server.url, there)
    finally:
        restored.kill()


async def test_what_was_deleted_stays_deleted_also_at_both_ends(
    nats_server: NatsServer, tmp_path: Path, elsewhere: Settings
) -> None:
    settings = await furnish(nats_server, events=100)
    bus = await JetStreamBus.connect(nats_server.url, name="test")
    last = (await bus.info()).last_seq
    for seq in (70, 71, 90, last - 1, last):
        await bus.delete(seq)
    await bus.close()
    manifest = await backed_up(settings, tmp_path / "backup.tar")
    assert manifest.log.missing == ((70, 71), (90, 90), (last - 1, last))

    await restore(elsewhere, tmp_path / "backup.tar", quiet)
    restored = NatsServer(elsewhere.home)
    restored.start()
    bus = await JetStreamBus.connect(restored.url, name="test")
    try:
        assert await bus.missing(1, last) == [(70, 71), (90, 90), (last - 1, last)]
        assert (await bus.publish_all(signals(1, 100)))[0].seq == last + 1, "no sequence is given twice"
        assert await bus.declare() == await bus.info(), "its settings are those that the code declares"
    finally:
        await bus.close()
        restored.kill()


async def test_home_comes_back_with_keys_accounts_outbox_and_models(
    installation: Settings, whole: Path, elsewhere: Settings
) -> None:
    await restore(elsewhere, whole, quiet)
    assert files_in(elsewhere.home) == dict.fromkeys(
        [
            "accounts.sqlite",
            "keys/signing.key",
            "mlflow/artifacts/0/card.json",
            "mlflow/mlflow.db",
            "outbox/scorer.sqlite",
            "secrets/admin.key",
            "secrets/api.key",
        ],
        0o600,
    )
    for folder in ("keys", "secrets", "outbox", "mlflow", "mlflow/artifacts/0", "nats", "."):
        assert (elsewhere.home / folder).stat().st_mode & 0o777 == 0o700, folder
    assert not elsewhere.restoring_dir.exists()
    assert load_secrets(elsewhere) == load_secrets(installation)
    assert signing_seed(elsewhere) == signing_seed(installation)
    accounts = Accounts(elsewhere.home)
    assert {account.name for account in accounts.accounts()} == {"ann"}
    assert accounts.log_in("ann", PASSWORD)
    outbox = Outbox(elsewhere.outbox_dir / "scorer.sqlite")
    assert [one.decision_id for one in outbox.first(9)] == ["waits"]
    outbox.close()
    with closing(sqlite3.connect(elsewhere.mlflow_dir / "mlflow.db")) as database:
        assert database.execute("SELECT * FROM runs").fetchall() == [("prior",)]
    assert (elsewhere.mlflow_dir / "artifacts/0/card.json").read_text() == '{"card": "complete"}'
    elsewhere.make_home()


async def test_a_log_of_a_cluster_goes_to_the_server_that_is_named(
    nats_server: NatsServer, whole: Path, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "elsewhere", nats_url=nats_server.url)
    manifest = await restore(settings, whole, quiet)
    assert len(await records_of(nats_server.url)) == manifest.log.messages
    assert not (settings.home / "nats").exists()
    assert load_secrets(settings)


def test_the_file_is_a_tar_that_its_owner_alone_can_read_and_says_what_it_holds(
    whole: Path, installation: Settings
) -> None:
    assert whole.stat().st_mode & 0o777 == 0o600
    assert os.listdir(whole.parent) == [whole.name], "nothing is left beside it"
    with tarfile.open(whole) as tar:
        names = tar.getnames()
        file = tar.extractfile("manifest.json")
        assert file is not None
        said = json.load(file)
    assert names[-2:] == ["manifest.json", "manifest.sha256"]
    assert [member["name"] for member in said["members"]] == names[:-2]
    assert names[0] == "outbox/scorer.sqlite", "before the log, so that no decision is in neither"
    assert said["format"] == 1
    assert said["log"]["last_seq"] == said["log"]["messages"] >= EVENTS
    assert said["log"]["missing"] == []


@pytest.mark.parametrize("process", ["scorer", "api"])
async def test_a_database_is_copied_whole_while_a_process_has_it_open(
    process: str, installation: Settings, tmp_path: Path, elsewhere: Settings
) -> None:
    path = installation.outbox_dir / "scorer.sqlite" if process == "scorer" else installation.home / "accounts.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as held:
        held.execute("CREATE TABLE IF NOT EXISTS held (x)")
        held.execute("INSERT INTO held VALUES (1)")
        held.execute("BEGIN IMMEDIATE")
        held.execute("INSERT INTO held VALUES (2)")
        await backed_up(installation, tmp_path / "backup.tar")
        held.execute("ROLLBACK")
        held.execute("DROP TABLE held")
    await restore(elsewhere, tmp_path / "backup.tar", quiet)
    with closing(sqlite3.connect(elsewhere.home / path.relative_to(installation.home))) as copy:
        assert copy.execute("SELECT x FROM held").fetchall() == [(1,)]
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_person_who_is_erased_meanwhile_ends_it(
    nats_server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = await furnish(nats_server, events=20)
    missing = JetStreamBus.missing

    async def after_a_deletion(bus: JetStreamBus, first: int, last: int) -> list[tuple[int, int]]:
        await bus.delete(60)
        return await missing(bus, first, last)

    monkeypatch.setattr(JetStreamBus, "missing", after_a_deletion)
    with pytest.raises(SnapshotBroken, match="events were deleted while the backup was taken"):
        await backed_up(settings, tmp_path / "backup.tar")
    assert os.listdir(tmp_path) == ["home"]
