"""What a replay is about: where it ends, and the plan that a dry run shows without touching anything."""

import pytest

from contracts.codec import encode
from contracts.events.admin import ReplayRequested
from contracts.events.person import SignalObserved
from projections.replay import BadBound, last_seq_of, plan_replay
from services.bus.memory import MemoryBus
from services.demo.people import user_ids
from tests.projections.small import SmallSystem
from tests.waiting import ManualClock


def request(**fields: object) -> ReplayRequested:
    return ReplayRequested.model_validate({"replay_id": "r", "projections": ["sqlite", "scorer"], **fields})


async def ticking(events: int) -> tuple[MemoryBus, ManualClock, list[int]]:
    """A log with one event a second; the moments (microseconds) of sequence 1, 2, ..."""
    clock = ManualClock()
    bus, moments = MemoryBus(clock), []
    for number in range(events):
        clock.advance(1)
        moments.append(clock() // 1000)
        event = SignalObserved(user_id="ann", source="phone", values={"steps": float(number)})
        await bus.publish(encode(event, event_id=str(number), source="/test"))
    return bus, clock, moments


async def test_without_a_bound_a_replay_has_no_end_of_its_own() -> None:
    bus, _, _ = await ticking(3)
    assert await last_seq_of(bus, request()) is None


async def test_a_sequence_must_lie_in_the_log() -> None:
    bus, _, _ = await ticking(3)
    assert await last_seq_of(bus, request(upto_seq=3)) == 3
    with pytest.raises(BadBound, match="upto_seq 4 is past the log's end, 3"):
        await last_seq_of(bus, request(upto_seq=4))


@pytest.mark.parametrize("gone", [(), (5,), (4, 5, 6), (9, 10, 11), (2, 4, 6, 8), tuple(range(2, 12))])
async def test_a_time_is_the_last_event_recorded_by_then(gone: tuple[int, ...]) -> None:
    bus, _, moments = await ticking(12)
    for seq in gone:
        await bus.delete(seq)
    there = [seq for seq in range(1, 13) if seq not in gone]
    for seq, moment in enumerate(moments, 1):
        for asked, at in ((moment, seq), (moment + 1, seq), (moment - 1, seq - 1)):
            if at == 0:
                continue
            found = await last_seq_of(bus, request(upto_time=asked))
            assert found is not None
            # Only which events are folded counts; in a gap any sequence says the same.
            assert [one for one in there if one <= found] == [one for one in there if one <= at]


async def test_before_the_first_event_there_is_nothing_to_fold() -> None:
    bus, _, moments = await ticking(3)
    await bus.delete(1)
    for asked in (moments[0] - 1, moments[0]):
        with pytest.raises(BadBound, match="no event was recorded by 2026-01-01T00:00:0"):
            await last_seq_of(bus, request(upto_time=asked))
    assert await last_seq_of(bus, request(upto_time=moments[2] + 10**9)) == 3


async def test_the_plan_says_what_would_become_of_each_projection(small: SmallSystem) -> None:
    last = await small.last()
    async with small.own("sqlite"):
        plan = await plan_replay(small.bus, request())
        one = await plan_replay(small.bus, request(user_id=user_ids(1)[0]))
        bounded = await plan_replay(small.bus, request(upto_seq=60))
        back = await plan_replay(small.bus, request(mode="back"))
    assert (plan.events, plan.complaint) == (last, "")
    sqlite, scorer = plan.touched
    assert (sqlite.live_version, sqlite.live_seq) == (1, last)
    assert "switched to when equal" in sqlite.effect
    assert (scorer.live_version, scorer.effect) == (None, "would be folded, and could not be compared or switched")
    assert "nothing has been touched" in plan.lines()[0]
    assert 0 < one.events < last
    assert "nothing is switched" in one.touched[0].effect
    assert (bounded.events, bounded.touched[0].upto_seq) == (60, 60)
    assert "as it was" in bounded.touched[0].effect
    assert (back.events, back.touched[0].effect) == (0, "has no version before it")
    assert await small.last() == last
    assert small.versions.numbers("sqlite") == [1]


async def test_the_plan_of_the_way_back_names_the_version_before(small: SmallSystem) -> None:
    async with small.own("sqlite"), small.replaying():
        for mode, before in (("rebuild", 1), ("back", 2)):
            assert (await small.replay("sqlite", mode=mode)).results[0].switched
            plan = await plan_replay(small.bus, request(mode="back"))
            assert plan.touched[0].effect == f"would be switched back to version {before}"


async def test_a_gap_is_part_of_the_plan(small: SmallSystem) -> None:
    await small.bus.delete(70)
    plan = await plan_replay(small.bus, request())
    assert plan.events == await small.last() - 1
    assert plan.complaint.endswith("70-70")
    assert plan.lines()[-1].startswith("not a full replay: events are missing")
