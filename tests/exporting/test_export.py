"""Which events an export takes, in which order, and what it says of those it leaves out."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from contracts.codec import Decoder
from contracts.envelope import Entry, Recorded
from contracts.errors import TipstreamError
from contracts.events.admin import ReplayRequested
from contracts.signing import NO_TRUST
from contracts.subjects import encode_id
from projections.erasure import about
from services.bootstrap import ensure_stream, load_signer
from services.bus.jetstream import JetStreamBus
from services.bus.memory import MemoryBus
from services.bus.stream import StreamInfo
from services.exporting import parquet
from services.exporting.export import Wanted, export_events
from services.importing.jsonl import import_jsonl
from services.publishing import EventPublisher
from services.settings import Settings
from tests.exporting.logs import bare, exported, helpful, lines_of, steps
from tests.importing.conftest import folded_rows
from tests.servers import NatsServer
from tests.waiting import ManualClock

ZOE = "Zoë 🌱\n*.>"


async def test_a_log_that_went_out_and_in_is_the_same(
    memory_bus: MemoryBus, clock: ManualClock, tmp_path: Path
) -> None:
    await memory_bus.publish_all([helpful("ann", "1"), steps(ZOE, "2"), helpful(ZOE, "3"), steps("ann", "4")])
    other, path = MemoryBus(clock), tmp_path / "log.jsonl.gz"
    created = (await memory_bus.info()).created
    done = await exported(memory_bus, Decoder(created, NO_TRUST), path)
    assert done.summary() == "4 events, sequences 1 to 4; left out: nothing"
    report = await import_jsonl(other, path)
    assert (report.added, report.refused) == (4, 0)
    assert await folded_rows(other) == await folded_rows(memory_bus)
    again = await exported(other, Decoder(created, NO_TRUST), tmp_path / "again.jsonl.gz")
    assert again.events == 4
    assert path.read_bytes() == (tmp_path / "again.jsonl.gz").read_bytes()


async def test_signed_events_go_out_with_their_actor_and_are_refused_one_by_one(
    memory_bus: MemoryBus, decoder: Decoder, clock: ManualClock, tmp_path: Path
) -> None:
    await memory_bus.publish(helpful("ann", "1"))
    signed, path = (await memory_bus.info()).last_seq - 1, tmp_path / "log.jsonl"
    assert (await exported(memory_bus, decoder, path)).events == signed + 1
    first, *_, last = lines_of(path)
    assert (first["type"], first["actor"]) == ("tipstream.stream.started.v1", "system")
    assert "actor" not in last
    report = await import_jsonl(MemoryBus(clock), path)
    assert (report.added, report.refused) == (1, signed)
    assert "tipstream.stream.started must be signed by this installation" in report.refusals[0].reason

    clean = tmp_path / "unsigned.jsonl"
    done = await exported(memory_bus, decoder, clean, unsigned=True)
    assert done.summary() == f"1 event, sequences {signed + 1} to {signed + 1}; left out: {signed} signed"
    assert lines_of(clean) == [last]


async def test_what_is_no_event_is_counted_and_left_out(
    memory_bus: MemoryBus, decoder: Decoder, tmp_path: Path
) -> None:
    first = (await memory_bus.info()).last_seq + 1
    await memory_bus.publish_all(
        [
            bare("tips.feedback.helpful.ann", b"\xff\x00 no JSON"),
            bare("tips.feedback.adored.ann", b"{}"),
            bare("tips.admin.bandit.reset.ann", b'{"user_id": "ann"}'),
            bare("tips.feedback.helpful.ann", b"{}", 1),
            bare("tips.elsewhere", b"[]"),
        ]
    )
    done = await exported(memory_bus, decoder, tmp_path / "log.jsonl", from_seq=first)
    assert done.summary() == f"1 event, sequences {first + 3} to {first + 3}; left out: 4 malformed (dead letters)"
    of_ann = await exported(memory_bus, decoder, tmp_path / "ann.jsonl", user_id="ann")
    assert (of_ann.events, of_ann.malformed) == (1, 3)


async def test_sequences_are_included_on_both_ends(memory_bus: MemoryBus, decoder: Decoder, tmp_path: Path) -> None:
    last = (await memory_bus.info()).last_seq
    done = await exported(memory_bus, decoder, tmp_path / "log.parquet", from_seq=3, upto_seq=last)
    assert (done.events, done.first_seq, done.last_seq) == (last - 2, 3, last)
    await memory_bus.delete(4)
    done = await exported(memory_bus, decoder, tmp_path / "gap.jsonl", from_seq=4, upto_seq=5)
    assert (done.events, done.first_seq, done.last_seq) == (1, 5, 5)
    nothing = await exported(memory_bus, decoder, tmp_path / "none.jsonl", from_seq=4, upto_seq=4)
    assert nothing.summary() == "0 events; left out: nothing"
    assert (tmp_path / "none.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"from_seq": 5, "upto_seq": 4}, "nothing lies from sequence 5 up to 4"),
        ({"from_seq": 10**6}, "sequence 1000000 is beyond the log, which ends at"),
        ({"upto_seq": 10**30}, "is beyond the log"),
        ({"subject": "tips..x"}, "is no subject pattern"),
        ({"user_id": ""}, "must not be empty"),
        ({"user_id": "x" * 513}, "may have 512 characters"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    memory_bus: MemoryBus, decoder: Decoder, wanted: dict[str, Any], said: str
) -> None:
    async def attempt() -> None:
        Wanted(**wanted).check()
        await export_events(memory_bus, decoder, Wanted(**wanted), lambda entry: None)

    with pytest.raises(TipstreamError, match=said):
        await attempt()


async def test_a_person_s_export_is_what_an_erasure_would_take_in_order(
    bus: JetStreamBus, nats_server: NatsServer, tmp_path: Path
) -> None:
    settings = Settings(home=nats_server.home)
    decoder = await ensure_stream(bus, settings)
    publisher = EventPublisher(bus, load_signer(settings), source="/test")
    for number, user in enumerate([ZOE, "ann", ZOE]):
        await publisher.publish_signed(
            ReplayRequested(replay_id=f"r{number}", projections=["sqlite"], user_id=user), actor="ops"
        )
        await bus.publish_all([helpful(user, f"h{number}"), steps(user, f"s{number}")])
    last = (await bus.info()).last_seq
    path = tmp_path / "zoe.jsonl"
    done = await exported(bus, decoder, path, user_id=ZOE)
    theirs = [recorded.seq async for recorded in about(bus, ZOE, upto=last)]
    assert theirs == [last - 8, last - 7, last - 6, last - 2, last - 1, last]
    assert (done.events, done.first_seq, done.last_seq) == (6, last - 8, last)
    assert [line["id"] for line in lines_of(path) if "actor" not in line] == ["h0", "s0", "h2", "s2"]

    done = await exported(bus, decoder, tmp_path / "some.jsonl", user_id=ZOE, subject="tips.signal.>", unsigned=True)
    assert [line["subject"] for line in lines_of(tmp_path / "some.jsonl")] == [
        f"tips.signal.phone.{encode_id(ZOE)}"
    ] * 2
    done = await exported(bus, decoder, tmp_path / "all.jsonl", subject="tips.feedback.*.*")
    assert [line["id"] for line in lines_of(tmp_path / "all.jsonl")] == ["h0", "h1", "h2"]
    assert (await exported(bus, decoder, tmp_path / "nobody.jsonl", user_id="nobody")).events == 0


class Growing:
    """A stream that takes an event after each time that somebody looks at it."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus, self._number = bus, 0

    async def _grow(self) -> None:
        self._number += 1
        await self._bus.publish(helpful("late", f"late{self._number}"))

    async def info(self) -> StreamInfo:
        found = await self._bus.info()
        await self._grow()
        return found

    async def read(
        self, after: int, *, upto: int | None = None, subjects: Sequence[str] = ()
    ) -> AsyncIterator[list[Recorded]]:
        async for batch in self._bus.read(after, upto=upto, subjects=subjects):
            await self._grow()
            yield batch


async def test_an_export_ends_where_the_log_ended_when_it_began(memory_bus: MemoryBus, decoder: Decoder) -> None:
    last = (await memory_bus.info()).last_seq
    entries: list[Entry] = []
    told: list[tuple[int, int, int]] = []
    done = await export_events(
        Growing(memory_bus), decoder, Wanted(), entries.append, lambda *numbers: told.append(numbers)
    )
    assert [entry.seq for entry in entries] == list(range(1, last + 1))
    assert (done.events, done.last_seq) == (last, last)
    assert told[-1] == (last, last, last)
    assert (await memory_bus.info()).last_seq > last


async def test_a_parquet_file_has_the_events_as_rows(
    memory_bus: MemoryBus, decoder: Decoder, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROWS", 7)
    body = '{"decision_id": "d \\u0000", "tip_id": "Zoë"}'
    await memory_bus.publish_all([helpful(ZOE, "1"), bare("tips.feedback.done.ann", body.encode())])
    path = tmp_path / "log.parquet"
    done = await exported(memory_bus, decoder, path)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        file = connection.read_parquet(str(path))
        assert dict(zip(file.columns, map(str, file.types), strict=True)) == {
            "seq": "BIGINT", "recorded_at": "TIMESTAMP WITH TIME ZONE", "subject": "VARCHAR", "type": "VARCHAR",
            "id": "VARCHAR", "source": "VARCHAR", "time": "TIMESTAMP WITH TIME ZONE", "user_id": "VARCHAR",
            "decision_id": "VARCHAR", "actor": "VARCHAR", "data": "VARCHAR",
        }  # fmt: skip
        assert [seq for (seq,) in file.project("seq").fetchall()] == list(range(1, done.last_seq + 1))
        kept = "id, type, source, user_id, decision_id, actor, data, epoch_us(recorded_at), epoch_us(time)"
        *_, helped, bodily = file.project(kept).fetchall()
        groups = connection.execute("SELECT max(row_group_id) FROM parquet_metadata(?)", [str(path)]).fetchone()
    now_us = clock.now_ns // 1000
    kind = "tipstream.feedback.received.v1"
    data = helpful(ZOE, "1").data.decode()
    assert helped == ("1", kind, "/test", ZOE, None, None, data, now_us, now_us)
    assert bodily == ("bare-tips.feedback.done.ann-0", kind, None, "ann", "d \0", None, body, now_us, now_us)
    assert groups == ((done.events - 1) // 7,)


async def test_a_parquet_file_without_events_has_its_columns(
    memory_bus: MemoryBus, decoder: Decoder, tmp_path: Path
) -> None:
    path = tmp_path / "none.parquet"
    await exported(memory_bus, decoder, path, user_id="nobody")
    with duckdb.connect() as connection:
        assert connection.read_parquet(str(path)).aggregate("count(*), max(seq)").fetchall() == [(0, None)]
