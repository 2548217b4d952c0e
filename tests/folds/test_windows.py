"""Memory is bounded: what the windows of stream time no longer hold is gone, in this process and in a snapshot."""

from collections import OrderedDict

import msgspec

from contracts import reasons
from contracts.times import DAY_US
from projections.folds.attribution import AttributionState
from projections.folds.projection import State
from tests.folds.log import Log, array_back, state_bytes


def test_after_31_days_nothing_of_a_decision_remains_in_the_state(log: Log) -> None:
    log.scored("ann", "forgotten-decision")
    log.feedback("helpful", "ann", "forgotten-decision", event_id="forgotten-feedback")
    log.feedback("helpful", "bob", "forgotten-promise")
    log.wait(days=31)
    assert b"forgotten" in state_bytes(log.state)
    log.bare("tips.nothing")
    assert b"forgotten" not in state_bytes(log.state)
    left = log.state.attribution
    assert (left.decisions, left.recent, left.waiting, left.awaited, left.seen) == ({}, {}, {}, {}, {})
    assert log.learned() == (1, 1, 0.5), "what was learned of it stays"
    assert log.row("tip_scores", 1)["reward"] == 0.5, "and the tables keep it"


def test_a_decision_is_open_for_exactly_30_days(log: Log) -> None:
    log.scored(decision_id="d1")
    log.wait(us=30 * DAY_US)
    log.feedback("helpful", decision_id="d1")
    assert log.learned() == (1, 1, 0.5)
    log.wait(us=1)
    step = log.feedback("done", decision_id="d1")
    assert step.waiting, "forgotten and not yet seen look alike"
    log.wait(days=7, us=1)
    log.signal({"steps": 1.0})
    assert log.dead() == [(3, reasons.DECISION_NEVER_CAME)]
    assert log.row("tip_scores", 1)["reward"] == 0.5


def test_decisions_are_forgotten_one_by_one(log: Log) -> None:
    for number in range(40):
        log.scored("ann" if number % 2 else "bob", f"d{number}")
        log.wait(days=1)
    now = log.state.attribution
    assert list(now.decisions) == [f"d{number}" for number in range(9, 40)]
    assert now.recent["ann"] == [f"d{number}" for number in range(9, 40) if number % 2]
    assert now.recent["bob"] == [f"d{number}" for number in range(10, 40) if not number % 2]


def test_an_event_id_is_remembered_for_exactly_a_day(log: Log) -> None:
    log.signal({"steps": 1.0})
    log.wait(us=DAY_US + 1)
    assert log.again(1).entry is not None
    log.wait(us=DAY_US)
    assert log.again(1).entry is None
    assert len(log.state.attribution.seen) == 1


def test_a_repeat_is_remembered_for_a_day_too(log: Log) -> None:
    log.signal({"steps": 1.0})
    for _ in range(5):
        log.wait(hours=20)
        assert log.again(1).entry is None
    assert len(log.rows("signals")) == 1
    log.wait(hours=24, us=1)
    log.bare("tips.nothing")
    assert not log.state.attribution.seen


def test_a_year_of_one_person_holds_a_month_of_decisions(log: Log) -> None:
    sizes = []
    for day in range(365):
        log.scored(decision_id=f"d{day}")
        log.feedback("done", decision_id=f"d{day}")
        log.feedback("done", decision_id=f"never{day}")
        log.wait(days=1)
        state = log.state.attribution
        held = (len(state.decisions), len(state.recent["ann"]), len(state.waiting), len(state.awaited))
        sizes.append((*held, len(state.seen)))
    assert [max(size) for size in zip(*sizes, strict=True)] == [31, 31, 8, 8, 4]
    assert log.learned() == (365, 365, 365.0)
    assert len(log.rows("tip_scores")) == 365
    assert len(log.rows("feature_history")) == 100


def test_the_stream_s_clock_going_back_a_little_harms_nothing(log: Log) -> None:
    log.scored(decision_id="d1")
    log.wait(seconds=-5)
    log.feedback("helpful")
    log.wait(seconds=10)
    log.feedback("done", decision_id="d1")
    assert log.learned() == (2, 1, 1.5)


def test_a_state_out_of_a_snapshot_folds_on_like_the_one_that_went_in(log: Log) -> None:
    log.scored(decision_id="d1")
    log.feedback("helpful", decision_id="d1")
    log.feedback("done", decision_id="d2")
    log.signal({"steps": 1.0})
    restored = msgspec.msgpack.decode(state_bytes(log.state), type=State, dec_hook=array_back)
    assert state_bytes(restored) == state_bytes(log.state)
    assert isinstance(restored.attribution.decisions, OrderedDict)
    live, log.state = log.state, restored
    log.wait(days=6)
    log.scored(decision_id="d2")
    log.feedback("not_helpful", decision_id="d1")
    assert log.learned() == (3, 2, 0.5)
    assert state_bytes(live) != state_bytes(log.state)


def test_the_queues_are_ordered_dicts_however_a_state_is_made() -> None:
    state = AttributionState(decisions={}, waiting={}, seen={b"1": 1, b"2": 2})
    for queue in (state.decisions, state.waiting, state.seen):
        assert isinstance(queue, OrderedDict)
    assert list(state.seen) == [b"1", b"2"]
