"""The projector: where it starts, when it writes, how it stops, and what it says of itself."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import projections.projector
from contracts.codec import NotTipstream
from contracts.envelope import Entry, Malformed
from projections.checkpoint import Checkpoint
from projections.folds.changes import Change, TableBatch
from projections.folds.projection import State, fold
from projections.projector import ProjectionEnded, ProjectionStopped, Projector, SinkBusy, SinkFailed
from projections.sinks.memory import MemorySink
from projections.sinks.snapshots import SnapshotFile
from tests.folds.log import Log, fold_all, state_bytes
from tests.projections.listed import ListedStream, folded, stream_of
from tests.waiting import until


def log_of(events: int) -> Log:
    """Decisions of two people, each with a reaction."""
    log = Log()
    for number in range(events // 2):
        user = f"user-{number % 2}"
        log.scored(user, f"d{number}")
        log.feedback("helpful", user, f"d{number}")
    return log


class Recorder(MemorySink):
    """A memory sink that notes each transaction's checkpoint, may fail, and may be held up."""

    def __init__(self) -> None:
        super().__init__("sqlite")
        self.seqs: list[int] = []
        self.troubles: list[Exception] = []

    def apply(self, batches: Sequence[TableBatch], checkpoint: Checkpoint | None = None) -> None:
        if self.troubles:
            raise self.troubles.pop(0)
        super().apply(batches, checkpoint)
        assert checkpoint is not None
        self.seqs.append(checkpoint.seq)


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fold that fails on feedback of the person `poison`, after it has begun to change the state."""

    def failing(state: State, item: Entry | Malformed) -> tuple[object, list[Change]]:
        step, changes = fold(state, item)
        if getattr(getattr(item, "event", None), "user_id", "") == "poison":
            raise ZeroDivisionError("a mistake in a fold")
        return step, changes

    monkeypatch.setattr(projections.projector, "fold", failing)


async def test_it_folds_what_is_there_and_what_comes() -> None:
    log, more = log_of(20), log_of(24)
    stream, sink = stream_of(log), Recorder()
    projector = Projector(stream, sink, "sqlite")
    running = asyncio.create_task(projector.run())
    await projector.wait_for(21)
    stream.add(more.records[20:])
    await projector.wait_for(25)
    assert projector.seq == sink.seqs[-1] == 25
    await projector.stop()
    await running
    whole = MemorySink("sqlite")
    await folded(stream_of(more), whole)
    assert sink.digests() == whole.digests()


async def test_up_to_a_sequence_means_exactly_so_far(tmp_path: Path) -> None:
    log, sink = log_of(20), Recorder()
    projector = Projector(stream_of(log, size=3), sink, "sqlite", SnapshotFile(tmp_path / "s"))
    await projector.run(upto=8)
    assert projector.seq == projector.state.seq == sink.seqs[-1] == 8


async def test_the_state_equals_a_fold_up_to_the_checkpoint(tmp_path: Path) -> None:
    log, file = log_of(40), SnapshotFile(tmp_path / "s")
    stream = stream_of(log, size=3)
    await Projector(stream, None, None, file).run(upto=30)
    saved = file.load()
    assert saved is not None
    state, checkpoint = saved
    assert checkpoint.seq == 30
    whole = Projector(stream, None, None, None)
    await whole.run(upto=30)
    assert state_bytes(state) == state_bytes(whole.state)
    # All of it is folded when rows are wanted, only what scoring needs when they are not.
    everything, _ = fold_all(stream.records[:30])
    assert state_bytes(State(seq=30, learning=state.learning)) == state_bytes(
        State(seq=30, learning=everything.learning)
    )


async def test_a_fold_that_fails_stops_before_its_event_and_says_so(poisoned: None, tmp_path: Path) -> None:
    log = log_of(10)
    log.feedback("done", "poison")
    log.feedback("done", "user-0")
    stream, sink, file = stream_of(log), Recorder(), SnapshotFile(tmp_path / "s")
    projector = Projector(stream, sink, "sqlite", file)
    with pytest.raises(ProjectionStopped, match=r"event 12 \(ZeroDivisionError: a mistake in a fold\)") as stopped:
        await projector.run()
    assert stopped.value.seq == 12
    assert projector.last_error == str(stopped.value)
    assert projector.seq == sink.seqs[-1] == 11
    assert file.load() is None
    with pytest.raises(ProjectionEnded, match="event 12"):
        await projector.wait_for(12)


async def test_a_mended_fold_goes_on_where_it_stopped(poisoned: None, monkeypatch: pytest.MonkeyPatch) -> None:
    log = log_of(10)
    log.feedback("done", "poison")
    stream, sink, whole = stream_of(log), Recorder(), MemorySink("sqlite")
    with pytest.raises(ProjectionStopped):
        await Projector(stream, sink, "sqlite").run()
    monkeypatch.undo()
    await folded(stream, sink)
    await folded(stream, whole)
    assert sink.proof() == whole.proof()


async def test_other_projections_go_on_when_one_stops(poisoned: None) -> None:
    log = log_of(10)
    log.feedback("done", "poison")
    stream = stream_of(log)
    scorer = Projector(stream, None, None)
    tables = Projector(stream, Recorder(), "sqlite")
    ends = await asyncio.gather(tables.run(), scorer.run(upto=12), return_exceptions=True)
    assert isinstance(ends[0], ProjectionStopped)
    assert scorer.seq == 12


async def test_a_busy_store_is_tried_again_with_the_same_rows() -> None:
    stream, sink, whole = stream_of(log_of(20)), Recorder(), MemorySink("sqlite")
    sink.troubles = [SinkBusy("disk full"), SinkBusy("disk full")]
    projector = Projector(stream, sink, "sqlite")
    running = asyncio.create_task(projector.run())
    await until(lambda: projector.last_error == "disk full")
    await projector.wait_for(21)
    assert projector.last_error is None
    await projector.stop()
    await running
    await folded(stream, whole)
    assert sink.proof() == whole.proof()


async def test_a_store_that_fails_ends_the_projection_at_its_checkpoint() -> None:
    stream, sink = stream_of(log_of(20)), Recorder()
    sink.troubles = [OSError("gone")]
    projector = Projector(stream, sink, "sqlite")
    with pytest.raises(SinkFailed, match=r"OSError: gone"):
        await projector.run()
    assert projector.seq == 0
    assert sink.checkpoint() is None


async def test_a_busy_store_does_not_keep_it_from_ending() -> None:
    stream, sink = stream_of(log_of(20)), Recorder()
    sink.troubles = [SinkBusy("disk full")] * 1000
    projector = Projector(stream, sink, "sqlite")
    running = asyncio.create_task(projector.run())
    await until(lambda: projector.last_error is not None)
    await projector.stop()
    with pytest.raises(SinkFailed, match="disk full"):
        await running


async def test_being_cancelled_stores_what_was_folded(tmp_path: Path) -> None:
    stream, sink, file = stream_of(log_of(20)), Recorder(), SnapshotFile(tmp_path / "s")
    projector = Projector(stream, sink, "sqlite", file, min_interval_s=60)
    running = asyncio.create_task(projector.run())
    await until(lambda: projector.seq > 0)
    stream.add(log_of(30).records[20:])
    await until(lambda: projector.state.seq == 31)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sink.seqs[-1] == 31
    saved = file.load()
    assert saved is not None
    assert saved[1].seq == 31


async def test_transactions_keep_their_distance_while_events_trickle() -> None:
    stream, sink = stream_of(log_of(20)), Recorder()
    projector = Projector(stream, sink, "sqlite", min_interval_s=60)
    running = asyncio.create_task(projector.run())
    await projector.wait_for(21)
    for record in log_of(30).records[20:]:
        stream.add([record])
        await until(lambda: projector.state.seq == stream.last_seq)
    assert sink.seqs == [21]
    await projector.stop()
    await running
    assert sink.seqs == [21, 31]


async def test_events_that_trickle_are_gathered_until_somebody_waits_for_one() -> None:
    stream, trickling = stream_of(log_of(20)), log_of(40).records[20:]
    projector = Projector(stream, None, None, gather_s=3600)
    running = asyncio.create_task(projector.run())
    await projector.wait_for(21)
    stream.add(trickling[:1])
    await until(lambda: projector.state.seq == 22)
    for record in trickling[1:]:
        stream.add([record])
        await asyncio.sleep(0.001)
    assert projector.state.seq == 22
    async with asyncio.timeout(10):
        await projector.wait_for(stream.last_seq)
    assert projector.state.seq == stream.last_seq == 41
    await projector.stop()
    await running


async def test_folding_waits_for_a_store_that_is_far_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projections.projector, "MOST_PENDING", 50)
    stream, sink = stream_of(log_of(2000), size=10), Recorder()
    projector = Projector(stream, sink, "sqlite", min_interval_s=60)
    await projector.run(upto=stream.last_seq)
    assert projector.seq == 2001
    steps = [later - earlier for earlier, later in zip(sink.seqs, sink.seqs[1:], strict=False)]
    assert max(steps) <= 120


async def test_it_saves_its_state_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projections.projector, "SNAPSHOT_EVENTS", 30)
    stream, file = stream_of(log_of(200), size=10), SnapshotFile(tmp_path / "s")
    projector = Projector(stream, Recorder(), "sqlite", file)
    running = asyncio.create_task(projector.run())
    await projector.wait_for(201)
    await until(lambda: (tmp_path / "s").exists())
    saved = file.load()
    assert saved is not None
    assert 30 < saved[1].seq <= 201
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_snapshot_ahead_of_its_store_is_not_used(tmp_path: Path) -> None:
    stream, file, sink, whole = stream_of(log_of(40)), SnapshotFile(tmp_path / "s"), Recorder(), MemorySink("sqlite")
    await folded(stream, sink, upto=20)
    await folded(stream, MemorySink("sqlite"), upto=30, snapshot=tmp_path / "s")
    await Projector(stream, sink, "sqlite", file).run(upto=41)
    await folded(stream, whole)
    assert sink.proof() == whole.proof()


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("fold_version", 0, "folded by version 0"),
        ("feature_set", "wellbeing.v0", "feature set is wellbeing.v0"),
        ("created", "2020-01-01T00:00:00Z", "of 2020-01-01T00:00:00Z"),
        ("stream", "OTHER", "stream OTHER"),
        ("seq", 500, "stream ends at 21"),
        ("recorded_ns", 5, "another message at 21"),
        ("message_id", "other", "another message at 21"),
    ],
)
async def test_a_checkpoint_of_another_lineage_is_set_aside_and_all_folded_again(
    field: str, value: str | int, why: str
) -> None:
    stream, sink, whole = stream_of(log_of(20)), Recorder(), MemorySink("sqlite")
    await folded(stream, sink)
    good = sink.checkpoint()
    assert good is not None
    sink.apply([], replace(good, **{field: value}))  # type: ignore[arg-type]
    projector = Projector(stream, sink, "sqlite")
    await projector.run(upto=stream.last_seq)
    assert projector.set_aside is not None
    assert why in projector.set_aside
    await folded(stream, whole)
    assert sink.proof() == whole.proof()


async def test_a_checkpoint_whose_message_was_erased_still_holds(tmp_path: Path) -> None:
    stream, sink = stream_of(log_of(20)), Recorder()
    await folded(stream, sink, snapshot=tmp_path / "s")
    stream.add(log_of(22).records[20:])
    stream.records = [record for record in stream.records if record.seq != 21]
    projector = Projector(stream, sink, "sqlite", SnapshotFile(tmp_path / "s"))
    await projector.run(upto=23)
    assert projector.set_aside is None
    assert projector.seq == 23


async def test_a_stream_that_does_not_begin_as_ours_is_refused() -> None:
    stream = stream_of(log_of(20))
    stream.records = stream.records[1:]
    with pytest.raises(NotTipstream):
        await Projector(stream, Recorder(), "sqlite").run()


async def test_whoever_waits_for_an_event_hears_of_the_end() -> None:
    stream = stream_of(log_of(20))
    projector = Projector(stream, Recorder(), "sqlite")
    waiting = asyncio.create_task(projector.wait_for(1000))
    await projector.run(upto=21)
    with pytest.raises(ProjectionEnded, match="before 1000"):
        await waiting
    await projector.wait_for(21)


async def test_a_fold_gives_way_to_others_at_least_every_64_events() -> None:
    stream, turns = stream_of(log_of(2000)), 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(others())
    await Projector(stream, None, None).run(upto=stream.last_seq)
    running.cancel()
    assert turns >= 2000 // 64


async def test_an_empty_store_begins_with_the_first_event() -> None:
    stream, sink = ListedStream(), Recorder()
    await folded(stream, sink)
    assert sink.seqs == [1]
    assert [row[2] for row in sink.rows(next(t for t in sink.tables if t.name == "admin_actions"))] == [
        "tipstream.stream.started.v1"
    ]
