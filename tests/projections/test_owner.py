"""The owner of a projection on the in-memory bus: what it answers, how it switches, what it survives."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

import projections.pieces
import projections.projector
from contracts.envelope import Entry, Malformed
from projections.control import BadQuestion
from projections.damage import StoreDamaged, damaged
from projections.folds.changes import Change
from projections.folds.projection import State, advance, fold
from projections.owner import NoSuchVersion, NotFolded, Owner
from projections.projector import SinkFailed
from projections.sinks.duckdb import DuckdbSink
from projections.sinks.memory import MemorySink
from projections.sinks.sqlite import SqliteSink
from projections.sinks.versions import Versions
from projections.sql.door import SqlDoor
from tests.folds.log import Log
from tests.projections.listed import HeldStream, ListedStream, folded, stream_of
from tests.servers import free_port
from tests.waiting import until


def log_of(decisions: int) -> Log:
    """Decisions with a reaction each, one day apart in twenties."""
    log = Log()
    for number in range(decisions):
        log.scored("ann", f"d{number}")
        log.feedback("helpful", "ann", f"d{number}")
        if number % 20 == 19:
            log.wait(days=1)
    return log


async def ask(owner: Owner, op: str, **fields: Any) -> dict[str, Any]:
    """An answer, read back from JSON."""
    answer: dict[str, Any] = orjson.loads(await owner.answer(orjson.dumps({"op": op, **fields})))
    return answer


@asynccontextmanager
async def owning(home: Path, stream: ListedStream, projection: str = "sqlite") -> AsyncIterator[Owner]:
    """A started owner, ended at the end of the block."""
    owner = Owner(stream, Versions(home), projection)
    await owner.start()
    running = asyncio.create_task(owner.run())
    yield owner
    owner.stop()
    await running


async def rebuilt(home: Path, stream: ListedStream, projection: str, number: int, upto: int) -> None:
    """A version folded up to a sequence, as a replay leaves it."""
    opened = Versions(home).open(projection, number)
    await opened.projector(stream).run(upto=upto)
    opened.close()


async def test_its_status_says_how_far_it_is(tmp_path: Path) -> None:
    stream = stream_of(log_of(10))
    async with owning(tmp_path, stream) as owner:
        await owner.live.projector.wait_for(21)
        status = await ask(owner, "status")
        assert (status["projection"], status["version"], status["seq"]) == ("sqlite", 1, 21)
        assert (status["stream_last_seq"], status["lag_events"], status["lag_seconds"]) == (21, 0, 0)
        assert status["last_error"] is None
        assert status["events_per_s"] > 0
        assert status["checkpoint"]["seq"] == 21
        assert status["checkpoint"]["message_id"] == "e20"


async def test_it_starts_and_stays_whatever_became_of_the_pointers(tmp_path: Path) -> None:
    pointers = tmp_path / "read_models" / "pointers.sqlite"
    pointers.parent.mkdir()
    pointers.write_bytes(b"damaged " * 1000)
    async with owning(tmp_path, stream_of(log_of(1))) as owner:
        assert Versions(tmp_path).pointer("sqlite").switched_at > 0
        pointers.write_bytes(b"damaged " * 1000)
        assert (await ask(owner, "status"))["version"] == 1
        assert Versions(tmp_path).pointer("sqlite").switched_at > 0


async def test_a_store_that_proves_damaged_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Owner(stream_of(log_of(1)), Versions(tmp_path), "sqlite")
    await owner.start()

    def proof(sink: SqliteSink, _: str | None) -> None:
        raise damaged(sink.path, OSError("a page"))

    monkeypatch.setattr(SqliteSink, "proof", proof)
    with pytest.raises(StoreDamaged, match="sets the file aside"):
        await ask(owner, "digest")
    with pytest.raises(StoreDamaged, match="a page"):
        await owner.run()


@pytest.mark.parametrize("projection", ["sqlite", "analytics"])
async def test_its_digest_is_that_of_a_fresh_fold(tmp_path: Path, projection: str) -> None:
    stream, memory = stream_of(log_of(10)), MemorySink("sqlite" if projection == "sqlite" else "duckdb")
    await folded(stream, memory)
    async with owning(tmp_path, stream, projection) as owner:
        await owner.live.projector.wait_for(21)
        whole, person = await ask(owner, "digest"), await ask(owner, "digest", user_id="ann")
    assert whole["checkpoint"]["seq"] == 21
    assert whole["version"] == 1
    assert (whole["tables"], whole["digest"]) == (memory.digests(), memory.proof().digest)
    assert person["tables"] == memory.digests("ann")


async def test_no_statement_is_answered_from_a_part_of_the_log(tmp_path: Path) -> None:
    def make_door(sink: DuckdbSink) -> SqlDoor:
        return SqlDoor(sink.connection, port=free_port(), token_check=lambda _: None, on_statement=lambda _: None)

    stream, counted = HeldStream(log_of(10).records, size=5), "SELECT count(*) FROM feedback"
    owner = Owner(stream, Versions(tmp_path), "query", make_door=make_door)
    await owner.start()
    running = asyncio.create_task(owner.run())
    await owner.live.projector.wait_for(5)
    with pytest.raises(NotFolded, match="still folding the log, 5 of 21 events"):
        await ask(owner, "sql", sql=counted, actor="ann")
    assert (await ask(owner, "status"))["state"] == "starting"
    stream.let_go.set()
    await until(lambda: owner.live.door is not None)
    assert (await ask(owner, "sql", sql=counted, actor="ann"))["rows"] == [[10]]
    owner.stop()
    await running


async def test_digests_taken_while_folding_are_of_their_checkpoint(tmp_path: Path) -> None:
    log = log_of(300)
    stream = stream_of(log, size=7)
    stream.records, left = stream.records[:1], stream.records[1:]
    async with owning(tmp_path, stream) as owner:
        await owner.live.projector.wait_for(1)
        taken = []
        for start in range(0, len(left), 60):
            # What was added before is folded, and this is not yet.
            await owner.live.projector.wait_for(1 + start)
            stream.add(left[start : start + 60])
            taken.append(await ask(owner, "digest"))
        await owner.live.projector.wait_for(601)
        taken.append(await ask(owner, "digest"))
    assert len({answer["checkpoint"]["seq"] for answer in taken}) > 2
    for answer in taken:
        fresh = MemorySink("sqlite")
        await folded(stream, fresh, upto=answer["checkpoint"]["seq"])
        assert answer["tables"] == fresh.digests()


async def test_the_scorers_digest_is_of_its_position_while_folding(tmp_path: Path) -> None:
    stream = stream_of(log_of(300), size=7)
    stream.records, left = stream.records[:1], stream.records[1:]
    async with owning(tmp_path, stream, "scorer") as owner:
        await owner.live.projector.wait_for(1)
        taken = []
        for start in range(0, len(left), 60):
            await owner.live.projector.wait_for(1 + start)
            stream.add(left[start : start + 60])
            taken.append(await ask(owner, "digest"))
            taken.append(await ask(owner, "digest", user_id="ann"))
    assert len({answer["checkpoint"]["seq"] for answer in taken}) > 2
    for answer in taken:
        fresh = MemorySink("sqlite")
        await folded(stream, fresh, upto=answer["checkpoint"]["seq"])
        assert answer["tables"] == {"bandit_stats": fresh.digests()["bandit_stats"]}


async def test_a_scorer_whose_fold_failed_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(state: State, item: Entry | Malformed) -> tuple[object, list[Change]]:
        step, changes = advance(state, item)
        if item.seq == 12:
            raise ZeroDivisionError("a mistake in a fold")
        return step, changes

    monkeypatch.setattr(projections.projector, "advance", failing)
    async with owning(tmp_path, stream_of(log_of(10)), "scorer") as owner:
        await until(lambda: owner.live.folding.done())
        with pytest.raises(NotFolded):
            await ask(owner, "digest")


async def test_before_the_first_event_there_is_nothing_to_prove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    apply = SqliteSink.apply

    def held_up(sink: SqliteSink, *args: Any) -> None:
        gate.wait(20)
        apply(sink, *args)

    monkeypatch.setattr(SqliteSink, "apply", held_up)
    async with owning(tmp_path, stream_of(log_of(2))) as owner:
        with pytest.raises(NotFolded, match="sqlite has folded nothing yet"):
            await ask(owner, "digest")
        status = await ask(owner, "status")
        assert (status["seq"], status["lag_events"], status["checkpoint"]) == (0, 5, None)
        assert status["state"] == "starting"
        gate.set()


async def test_it_is_starting_until_it_has_been_where_the_stream_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = stream_of(log_of(10))
    owner = Owner(stream, Versions(tmp_path), "sqlite")
    assert await ask(owner, "status") == {"projection": "sqlite", "state": "starting", "seq": 0}
    gate = threading.Event()
    apply = SqliteSink.apply

    def held_up(sink: SqliteSink, *args: Any) -> None:
        gate.wait(20)
        apply(sink, *args)

    monkeypatch.setattr(SqliteSink, "apply", held_up)
    async with owning(tmp_path, stream) as owner:
        assert (await ask(owner, "status"))["state"] == "starting"
        gate.set()
        await owner.live.projector.wait_for(21)
        assert (await ask(owner, "status"))["state"] == "up"


async def test_it_goes_on_at_its_checkpoint_when_started_again(tmp_path: Path) -> None:
    stream = stream_of(log_of(10))
    async with owning(tmp_path, stream) as owner:
        await owner.live.projector.wait_for(21)
    stream.add(log_of(12).records[20:])
    async with owning(tmp_path, stream) as owner:
        assert owner.live.projector.seq in (0, 21, 25)
        await owner.live.projector.wait_for(25)
        assert owner.live.projector.set_aside is None
        again = await ask(owner, "digest")
    fresh = MemorySink("sqlite")
    await folded(stream, fresh)
    assert again["tables"] == fresh.digests()


@pytest.mark.parametrize("projection", ["sqlite", "analytics"])
async def test_a_switch_catches_up_flips_the_pointer_and_keeps_the_old_one(tmp_path: Path, projection: str) -> None:
    stream, versions = stream_of(log_of(30)), Versions(tmp_path)
    async with owning(tmp_path, stream, projection) as owner:
        await owner.live.projector.wait_for(61)
        before = await ask(owner, "digest")
        await rebuilt(tmp_path, stream, projection, 2, 40)
        status = await ask(owner, "switch", version=2)
        assert (status["version"], status["seq"]) == (2, 61)
        after = await ask(owner, "digest")
        assert (after["version"], after["tables"]) == (2, before["tables"])
        assert (versions.pointer(projection).version, versions.pointer(projection).previous) == (2, 1)
        assert versions.numbers(projection) == [1, 2]
        stream.add(log_of(32).records[60:])
        await owner.live.projector.wait_for(65)
        back = await ask(owner, "switch", version=1)
        assert (back["version"], back["seq"]) == (1, 65)
        assert (await ask(owner, "switch", version=1))["version"] == 1
        assert (versions.pointer(projection).version, versions.pointer(projection).previous) == (1, 2)


async def test_a_version_that_does_not_exist_is_not_switched_to(tmp_path: Path) -> None:
    stream = stream_of(log_of(3))
    async with owning(tmp_path, stream) as owner:
        with pytest.raises(NoSuchVersion, match="sqlite has no version 5"):
            await ask(owner, "switch", version=5)
        assert Versions(tmp_path).numbers("sqlite") == [1]


async def test_a_new_version_that_fails_leaves_the_live_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = stream_of(log_of(10))
    async with owning(tmp_path, stream) as owner:
        await owner.live.projector.wait_for(21)
        (tmp_path / "read_models" / "sqlite-v2.sqlite").touch()

        def broken(state: State, item: Entry | Malformed) -> tuple[object, list[Change]]:
            raise ZeroDivisionError("broken")

        with monkeypatch.context() as patch:
            patch.setattr(projections.projector, "fold", broken)
            with pytest.raises(Exception, match="ZeroDivisionError: broken"):
                await ask(owner, "switch", version=2)
        stream.add(log_of(11).records[20:])
        await owner.live.projector.wait_for(23)
        assert (await ask(owner, "status"))["version"] == 1


async def test_a_stopped_fold_still_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(state: State, item: Entry | Malformed) -> tuple[object, list[Change]]:
        step, changes = fold(state, item)
        if item.seq == 12:
            raise ZeroDivisionError("a mistake in a fold")
        return step, changes

    monkeypatch.setattr(projections.projector, "fold", failing)
    async with owning(tmp_path, stream_of(log_of(10))) as owner:
        await until(lambda: owner.live.folding.done())
        status = await ask(owner, "status")
        assert (status["state"], status["seq"], status["lag_events"]) == ("down", 11, 10)
        assert status["lag_seconds"] > 0
        assert "event 12 (ZeroDivisionError: a mistake in a fold)" in status["last_error"]
        assert (await ask(owner, "digest"))["checkpoint"]["seq"] == 11


async def test_a_store_that_fails_ends_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> None:
        raise OSError("gone")

    monkeypatch.setattr(SqliteSink, "apply", failing)
    owner = Owner(stream_of(log_of(3)), Versions(tmp_path), "sqlite")
    await owner.start()
    with pytest.raises(SinkFailed, match="OSError: gone"):
        await owner.run()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"nonsense", "malformed"),
        (b"{}", "missing required field `op`"),
        (b'{"op": "drop"}', "Invalid value 'drop'"),
        (b'{"op": "switch"}', "missing required field `version`"),
        (b'{"op": "switch", "version": "2"}', "Expected `int`, got `str`"),
        (b'{"op": "view", "name": "rewards"}', "sqlite has no views and reports"),
        (b'{"op": "report", "name": "daily_reactions"}', "sqlite has no views and reports"),
        (b'{"op": "report", "name": "x", "parameters": 1}', "Expected `object`, got `int`"),
        (b'{"op": "sql", "sql": "select 1", "actor": "me"}', "sqlite answers no SQL"),
    ],
)
async def test_a_question_it_cannot_answer_is_refused_with_a_reason(tmp_path: Path, data: bytes, why: str) -> None:
    async with owning(tmp_path, stream_of(log_of(1))) as owner:
        with pytest.raises(BadQuestion, match=why):
            await owner.answer(data)


async def test_a_recreated_stream_is_folded_from_its_beginning(tmp_path: Path) -> None:
    stream = stream_of(log_of(10))
    async with owning(tmp_path, stream) as owner:
        await owner.live.projector.wait_for(21)
    other = stream_of(log_of(3))
    other.created = "2026-06-01T00:00:00Z"
    async with owning(tmp_path, other) as owner:
        await until(lambda: owner.live.projector.set_aside is not None and owner.live.projector.seq == 7)
        assert (await ask(owner, "status"))["set_aside"].startswith("it is of stream TIPS of 2026-01-01")
