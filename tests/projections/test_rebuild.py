"""Replays: folded beside the live version, compared, switched only when equal and the log is whole."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import orjson
import pytest

import projections.projector
from contracts.events.admin import Projection, ReplayCompleted, ReplayRequested
from contracts.events.person import FeedbackReceived
from projections.control import ask
from projections.folds.changes import Change
from projections.rebuild import Replay
from projections.replay import EVERY_PROJECTION, progress_subject, word_of
from projections.verify import verify_system
from services.demo.people import user_ids
from tests.projections.small import SmallSystem

USER, OTHER = user_ids(2)


async def test_every_projection_is_folded_again_compared_and_switched(small: SmallSystem) -> None:
    async with small.own(*EVERY_PROJECTION), small.replaying():
        completed = await small.replay(*EVERY_PROJECTION)
        assert (completed.outcome, completed.full, completed.detail) == ("done", True, "")
        assert [result.projection for result in completed.results] == list(EVERY_PROJECTION)
        for result in completed.results:
            assert (result.version, result.equal, result.switched, result.note) == (2, True, True, "")
            assert result.live_digest == result.rebuilt_digest
            pointer = small.versions.pointer(result.projection)
            assert (pointer.version, pointer.previous) == (2, 1)
        assert completed.events == sum(result.upto_seq for result in completed.results)
        await small.folded()
        assert (await verify_system(small.bus, progress=lambda done, total: None)).proven


async def test_the_worker_says_which_replay_it_is_at(small: SmallSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    plain = Replay.run

    async def run(replay: Replay) -> ReplayCompleted:
        asked.append((await ask(small.bus, "replayer", "status"))["replay_id"])
        return await plain(replay)

    monkeypatch.setattr(Replay, "run", run)
    async with small.own("sqlite"), small.replaying():
        completed = await small.replay("sqlite")
        assert asked == [completed.replay_id]
        assert (await ask(small.bus, "replayer", "status")) == {"replay_id": None, "last_error": None}


async def test_one_step_back_and_forth_again(small: SmallSystem) -> None:
    async with small.own("sqlite"), small.replaying():
        await small.replay("sqlite")
        for version, live in ((1, 2), (2, 1)):
            back = await small.replay("sqlite", mode="back")
            assert (back.outcome, back.full) == ("done", True)
            (result,) = back.results
            assert (result.version, result.switched) == (version, True)
            assert result.note == f"back from version {live}"
            assert (await word_of(small.bus, "sqlite")).version == version


async def test_there_is_no_way_back_from_the_first_version(small: SmallSystem) -> None:
    async with small.own("sqlite", "scorer"), small.replaying():
        await small.replay("sqlite")
        back = await small.replay("sqlite", "scorer", mode="back")
    assert (back.outcome, back.results) == ("failed", [])
    assert back.detail == "scorer has no version before the live one, 1"
    assert small.versions.pointer("sqlite").version == 2, "none is switched when one cannot be"


async def test_a_version_that_differs_is_kept_and_not_switched_to(small: SmallSystem) -> None:
    async with small.own("sqlite"), small.replaying():
        small.change_by_hand(
            "UPDATE users SET decisions = decisions + 1 WHERE user_id = (SELECT max(user_id) FROM users)"
        )
        completed = await small.replay("sqlite")
    (result,) = completed.results
    assert (completed.outcome, result.equal, result.switched) == ("different", False, False)
    assert result.live_digest != result.rebuilt_digest
    assert "until the difference is explained" in result.note
    assert small.versions.numbers("sqlite") == [1, 2]
    assert small.versions.pointer("sqlite").version == 1


async def test_an_unexplained_gap_makes_no_full_replay(small: SmallSystem) -> None:
    await small.bus.delete(100)
    async with small.own("sqlite"), small.replaying():
        completed = await small.replay("sqlite")
    (result,) = completed.results
    assert (completed.full, result.equal, result.switched) == (False, True, False)
    assert completed.detail == "events are missing without an erasure's receipt: 100-100"
    assert result.note == "not switched: the log does not hold everything"
    assert completed.events == result.upto_seq - 1
    assert small.versions.pointer("sqlite").version == 1


async def test_as_it_was_is_a_version_of_its_own(small: SmallSystem) -> None:
    async with small.own("sqlite"), small.replaying():
        completed = await small.replay("sqlite", upto_seq=60)
        (result,) = completed.results
        assert (result.version, result.upto_seq, result.equal, result.switched) == (2, 60, None, False)
        assert completed.events == 60
        assert (await word_of(small.bus, "sqlite")).version == 1
        bounded = await small.replay("sqlite", upto_time=small.clock() // 1000)
        assert bounded.results[0].note.startswith("as it was")
    with sqlite3.connect(f"file:{small.versions.file('sqlite', 2)}?mode=ro", uri=True) as connection:
        assert connection.execute("SELECT max(seq) <= 60 FROM feature_history").fetchone() == (1,)
    connection.close()


async def test_a_bound_that_the_log_does_not_have_is_a_failed_replay(small: SmallSystem) -> None:
    async with small.own("sqlite"), small.replaying():
        completed = await small.replay("sqlite", upto_seq=10**6)
    assert (completed.outcome, completed.full, completed.results) == ("failed", False, [])
    assert "past the log's end" in completed.detail


@pytest.mark.parametrize("projection", EVERY_PROJECTION)
async def test_one_person_is_proven_in_memory(small: SmallSystem, projection: Projection) -> None:
    async with small.own(projection), small.replaying():
        completed = await small.replay(projection, user_id=USER)
    (result,) = completed.results
    assert (completed.outcome, result.equal, result.switched) == ("done", True, False)
    assert 0 < completed.events < result.upto_seq, "only what is about them is folded"
    assert small.versions.numbers(projection) == [1]


async def test_one_person_whose_rows_were_changed_is_different(small: SmallSystem) -> None:
    async with small.own("sqlite"), small.replaying():
        small.change_by_hand(f"UPDATE users SET decisions = decisions + 1 WHERE user_id = '{USER}'")
        assert (await small.replay("sqlite", user_id=USER)).outcome == "different"
        assert (await small.replay("sqlite", user_id=OTHER)).outcome == "done"


async def test_one_person_who_named_another_persons_decision_is_no_difference(small: SmallSystem) -> None:
    theirs = next(r for r in small.bus._records if r.subject == f"tips.scored.{OTHER}").headers["ce-id"]
    await small.publish(FeedbackReceived(user_id=USER, action="helpful", decision_id=theirs))
    async with small.own("sqlite"), small.replaying():
        completed = await small.replay("sqlite", user_id=USER)
    assert completed.outcome == "done", completed.results
    assert completed.events > completed.results[0].upto_seq, "their own events did not do, so all were folded"


async def test_a_projection_that_does_not_run_is_folded_and_not_switched(small: SmallSystem) -> None:
    async with small.replaying():
        completed = await small.replay("sqlite")
    (result,) = completed.results
    assert (completed.outcome, result.equal, result.switched) == ("done", None, False)
    assert result.note.startswith("not switched, there is nothing to compare with: nobody answers")


async def test_a_request_left_undone_is_carried_out_at_start_and_only_once(small: SmallSystem) -> None:
    async with small.own("sqlite"):
        request = ReplayRequested(replay_id="left", projections=["sqlite"])
        asked = await small.sign(request, "request-of-left")
        async with small.replaying():
            assert (await small.completed("left", asked)).outcome == "done"
        async with small.replaying():
            await small.sign(request, "request-of-left-once-more")
            await small.replay("sqlite")
    replays = [record.subject for record in small.bus._records if ".replay.completed." in record.subject]
    assert len(replays) == 2
    assert small.versions.pointer("sqlite").version == 3


async def test_progress_is_told_beside_the_log(small: SmallSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.rebuild.TELL_S", 0.001)
    told: list[dict[str, Any]] = []
    async with small.own("sqlite"), aclosing(small.bus.listen(progress_subject("*"))) as heard:

        async def hear() -> None:
            async for subject, data in heard:
                told.append({"subject": subject, **orjson.loads(data)})
                if told[-1]["phase"] == "completed":
                    return

        hearing = asyncio.create_task(hear())
        await asyncio.sleep(0)
        request = ReplayRequested(replay_id="r1", projections=["sqlite"])
        await small.sign(request)
        async with small.replaying(), asyncio.timeout(30):
            await hearing
    assert {one["subject"] for one in told} == {progress_subject("r1")}
    phases = [one["phase"] for one in told]
    assert "folding" in phases
    folding = [one for one in told if one["phase"] == "folding"]
    assert {one["projection"] for one in folding} == {"sqlite"}
    assert folding[-1]["total"] > 0
    assert set(folding[-1]) >= {"events", "total", "events_per_s", "remaining_s"}
    assert told[-1]["completed"]["outcome"] == "done"


def broken(state: object, item: object) -> tuple[object, list[Change]]:
    raise ZeroDivisionError("a mistake in a fold")


def full_disk(path: Path) -> object:
    raise OSError(28, "No space left on device", str(path))


@pytest.mark.parametrize(
    ("where", "what", "said"),
    [
        ("projections.projector.fold", broken, "ZeroDivisionError: a mistake in a fold"),
        ("projections.sinks.versions.SqliteSink", full_disk, "No space left on device"),
    ],
)
async def test_a_replay_that_fails_is_told_once_and_leaves_nothing_behind(
    small: SmallSystem, monkeypatch: pytest.MonkeyPatch, where: str, what: Callable[..., object], said: str
) -> None:
    async with small.own("sqlite"), small.replaying():
        with monkeypatch.context() as patch:
            patch.setattr(where, what)
            completed = await small.replay("sqlite")
        assert completed.outcome == "failed"
        assert said in completed.detail
        assert small.versions.numbers("sqlite") == [1]
        assert (await small.replay("scorer")).outcome == "done", "the worker goes on"


async def test_a_worker_that_is_stopped_leaves_no_half_version(
    small: SmallSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded, go_on = asyncio.Event(), asyncio.Event()
    fold_all = projections.projector.Projector._fold_all

    async def held_up(self: projections.projector.Projector, upto: int | None) -> None:
        folded.set()
        await go_on.wait()
        await fold_all(self, upto)

    monkeypatch.setattr(projections.projector.Projector, "_fold_all", held_up)
    request = ReplayRequested(replay_id="stopped", projections=["sqlite"])
    asked = await small.sign(request)
    async with small.replaying():
        async with asyncio.timeout(10):
            await folded.wait()
        assert small.versions.numbers("sqlite") == [2]
    assert small.versions.numbers("sqlite") == []
    go_on.set()
    async with small.replaying():
        assert (await small.completed("stopped", asked)).outcome == "done"
