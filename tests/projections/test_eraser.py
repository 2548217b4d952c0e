"""Erasures carried out on a small system: the log, the read models and their files, and what a crash may interrupt."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from contracts.codec import encode
from contracts.envelope import Entry, Message, Recorded
from contracts.events.admin import UserErased, UserErasureRequested
from contracts.events.person import FeedbackReceived, SignalObserved, TipScored
from projections.continuity import RECEIPTS
from projections.control import Status, read_question, subject_of
from projections.erasure import REQUESTS, about, erasure_subject
from projections.replay import EVERY_PROJECTION, word_of
from projections.verify import Report, verify_system
from services.bootstrap import open_decoder
from services.demo.people import user_ids
from tests.projections.small import SmallSystem

USER, OTHER = user_ids(2)


async def verified(small: SmallSystem) -> Report:
    await small.folded()
    return await verify_system(small.bus, progress=lambda done, total: None)


async def read(small: SmallSystem, *subjects: str) -> list[Recorded]:
    batches = [batch async for batch in small.bus.read(0, upto=await small.last(), subjects=subjects)]
    return [recorded for batch in batches for recorded in batch]


def told(small: SmallSystem, phase: str, projection: str = "", *, erasure_id: str = "x1") -> asyncio.Task[None]:
    """Ends once the worker says that it has come to a phase; listens from the next step of the loop on."""

    async def hear() -> None:
        async for _, said in small.bus.listen(erasure_subject(erasure_id)):
            report: dict[str, Any] = orjson.loads(said)
            if report["phase"].startswith(phase) and report.get("projection", "") in ("", projection):
                return

    return asyncio.create_task(hear())


@asynccontextmanager
async def erasing(small: SmallSystem) -> AsyncIterator[int]:
    """Ask for the erasure, whose request's sequence is given, and wait at the end until it is done."""
    done = told(small, "completed")
    yield await small.sign(UserErasureRequested(user_id=USER, reason=f"{USER} asked"), "x1")
    async with asyncio.timeout(100):
        await done
    assert await read(small, REQUESTS) == []


async def theirs(small: SmallSystem, user: str = USER) -> list[int]:
    return [recorded.seq async for recorded in about(small.bus, user, upto=await small.last())]


def named_in(home: Path, user: str = USER) -> list[str]:
    """The files under HOME that hold the bytes of an id."""
    files = (path for path in home.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(home)) for path in files if user.encode() in path.read_bytes())


async def test_a_person_is_gone_from_log_and_files_and_everything_is_proven(small: SmallSystem) -> None:
    await small.publish(SignalObserved(user_id=USER, source="steps", values={"steps": 1.0}))
    seqs = await theirs(small)
    rows = small.settings.results_dir / "a-run-that-failed" / "features"
    rows.parent.mkdir(parents=True)
    rows.write_text(USER)
    async with small.own(*EVERY_PROJECTION), small.replaying():
        assert named_in(small.settings.home)
        other = {projection: await word_of(small.bus, projection, OTHER) for projection in EVERY_PROJECTION}
        async with erasing(small) as request:
            pass
        report = await verified(small)
        assert report.proven, report.lines()
        assert report.continuity.missing == len(seqs) + 1
        assert report.continuity.unexplained == ()
        for projection, before in other.items():
            after = await word_of(small.bus, projection, OTHER)
            assert (after.version, after.tables) == (2, before.tables)
            assert small.versions.numbers(projection) == [2]
            assert small.versions.pointer(projection).previous is None
        assert (await word_of(small.bus, "sqlite", USER)).digest == (
            await word_of(small.bus, "sqlite", "nobody")
        ).digest
        (receipt,) = await read(small, RECEIPTS)
        item = (await open_decoder(small.bus)).decode(receipt)
        assert isinstance(item, Entry)
        assert isinstance(item.event, UserErased)
        assert (item.actor, item.event.erasure_id) == ("ada", "x1")
        assert {seq for first, last in item.event.ranges for seq in range(first, last + 1)} == {*seqs, request}
        assert all(USER not in f"{one.subject}{one.headers}{one.data!r}" for one in await read(small))
        assert named_in(small.settings.home) == []
    assert named_in(small.settings.home) == [], "also once everything is written and closed"


async def test_whoever_comes_back_starts_afresh(small: SmallSystem) -> None:
    async with small.own(*EVERY_PROJECTION), small.replaying():
        async with erasing(small):
            await small.publish(FeedbackReceived(user_id=USER, action="helpful"))
        await small.publish(FeedbackReceived(user_id=USER, action="done"))
        assert (await verified(small)).proven
        assert len(await theirs(small)) == 2


async def on_delete(small: SmallSystem, which: Callable[[int], bool], stop: asyncio.Event) -> None:
    """Stop the worker for good, as a crash does, before the delete that `which` (given how many were done) picks."""
    delete, done = small.bus.delete, 0

    async def until_then(seq: int) -> None:
        nonlocal done
        if which(done):
            stop.set()
            await asyncio.Event().wait()
        await delete(seq)
        done += 1

    small.bus.delete = until_then  # type: ignore[method-assign]
    await stop.wait()
    small.bus.delete = delete  # type: ignore[method-assign]


@pytest.mark.parametrize("deleted", [0, 7, "all"])
async def test_a_worker_that_dies_on_the_way_leaves_no_gap_unexplained_and_is_taken_up_again(
    small: SmallSystem, deleted: int | str
) -> None:
    count = len(await theirs(small))
    stop = asyncio.Event()
    async with small.own(*EVERY_PROJECTION), AsyncExitStack() as later:
        async with erasing(small):
            async with small.replaying():
                await on_delete(small, lambda done: done == (count if deleted == "all" else deleted), stop)
            report = await verified(small)
            assert report.proven, report.lines()
            assert len(await theirs(small)) == (1 if deleted == "all" else count + 1 - int(deleted))
            await later.enter_async_context(small.replaying())
        assert (await verified(small)).proven
        assert await theirs(small) == []
        assert named_in(small.settings.home) == []


async def test_a_projection_that_was_away_meanwhile_lets_go_when_it_is_back(small: SmallSystem) -> None:
    async with small.own(*EVERY_PROJECTION):
        pass
    assert any(name.startswith("read_models/sqlite-v1") for name in named_in(small.settings.home))
    waiting = told(small, "waiting: ", "sqlite")
    async with small.own("analytics", "query", "scorer"), small.replaying(), AsyncExitStack() as later:
        async with erasing(small):
            await waiting
            assert len(await theirs(small)) == 1, "only the request is left"
            await later.enter_async_context(small.own("sqlite"))
        assert (await verified(small)).proven
        assert named_in(small.settings.home) == []


async def test_a_projection_nobody_ever_ran_holds_nothing_up(small: SmallSystem) -> None:
    async with small.own("sqlite"), small.replaying():
        async with erasing(small):
            pass
        assert named_in(small.settings.home) == []


async def test_a_decision_that_was_on_its_way_goes_too(small: SmallSystem) -> None:
    async with small.own(*EVERY_PROJECTION), AsyncExitStack() as later:
        latest = (await read(small, f"tips.scored.{USER}"))[-1]
        body = TipScored.model_validate(orjson.loads(latest.data))
        async with erasing(small) as request:
            stale = body.model_copy(update={"decision_id": "late", "model_seq": request - 1, "state_version": 3})
            await small.bus.publish(encode(stale, event_id="late", source="/test"))
            assert (await verified(small)).proven
            await later.enter_async_context(small.replaying())
        assert (await verified(small)).proven
        assert await theirs(small) == []
        assert named_in(small.settings.home) == []


async def test_a_shadow_process_that_lets_others_go_first_is_told_who_waits(small: SmallSystem) -> None:
    wanted: list[int] = []

    async def shadow(data: bytes) -> bytes:
        question = read_question(data)
        assert isinstance(question, Status)
        wanted.append(question.wanted)
        return orjson.dumps({"seq": question.wanted if len(wanted) > 1 else 0})

    async with small.own(*EVERY_PROJECTION), small.replaying():
        await small.bus.respond(subject_of("shadow"), shadow)
        async with erasing(small) as request:
            pass
    assert wanted == [request, request]


async def test_a_shadow_process_that_is_there_and_says_nothing_holds_an_erasure_up(
    small: SmallSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.eraser.SHADOW_ANSWER_S", 0.1)
    woken = asyncio.Event()

    async def shadow(data: bytes) -> bytes:
        await woken.wait()
        return orjson.dumps({"seq": None})

    async with small.own(*EVERY_PROJECTION), small.replaying():
        await small.bus.respond(subject_of("shadow"), shadow)
        waits = told(small, "waiting: no answer on tipstream.ctl.shadow", "shadow")
        async with erasing(small):
            async with asyncio.timeout(30):
                await waits
            assert await read(small, RECEIPTS) == []
            woken.set()
    assert await theirs(small) == []


async def test_a_request_that_is_published_again_takes_only_itself(small: SmallSystem) -> None:
    async with small.own(*EVERY_PROJECTION), small.replaying():
        request: Recorded | None = None
        async with erasing(small) as seq:
            request = await small.bus.get(seq)
        assert request is not None
        await small.publish(SignalObserved(user_id=USER, source="steps", values={"steps": 1.0}))
        small.clock.advance(3600)
        done = told(small, "completed")
        await asyncio.sleep(0)
        copy = await small.bus.publish(Message(request.subject, dict(request.headers), request.data))
        assert not copy.duplicate
        await done
        assert await small.bus.get(copy.seq) is None
        assert len(await theirs(small)) == 1
        assert (await verified(small)).proven


async def test_a_receipt_of_many_ranges_comes_in_pieces(small: SmallSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.eraser.MOST_RANGES", 3)
    async with small.own("sqlite"), small.replaying():
        async with erasing(small):
            pass
        assert len(await read(small, RECEIPTS)) > 2
        report = await verified(small)
        assert report.continuity.full
