"""Which decision a reaction joins, by the stream's clock, and what becomes of one that joins none."""

import pytest

from contracts import reasons
from contracts.events.person import InlineCandidate
from contracts.rewards import ACTIONS, Action, reward
from contracts.times import DAY_US
from tests.folds.log import Log


@pytest.mark.parametrize("user", ["ann", "Zoë 🌱", "a.b*c>d e", "x" * 300, "~", "'; drop table users; --", "\x00\n"])
def test_an_empty_body_is_a_pull_of_the_latest_decision(log: Log, user: str) -> None:
    log.scored(user, "d1")
    subject = log.feedback("helpful", user).joins[0].feedback.raw.subject
    log = Log()
    log.scored(user, "d1")
    log.scored(user, "d2", tip="rest")
    step = log.bare(subject)
    assert [join.decision.decision_id for join in step.joins] == ["d2"]
    assert log.learned(user) == (1, 1, 0.5)
    assert log.row("tip_scores", 1)["reward"] is None
    assert log.row("tip_scores", 2)["reward"] == 0.5
    row = log.row("feedback", 3)
    assert (row["user_id"], row["decision_id"], row["status"], row["effect"]) == (user, "d2", "attributed", "pull")
    assert row["occurred_at"] == row["recorded_at"] == log.now_us


def test_with_a_tip_it_joins_the_latest_decision_of_that_tip(log: Log) -> None:
    log.scored(decision_id="d1", tip="walk")
    log.scored(decision_id="d2", tip="walk")
    log.scored(decision_id="d3", tip="rest")
    assert log.feedback(tip="walk").joins[0].decision.decision_id == "d2"
    assert log.feedback(tip="rest").joins[0].decision.decision_id == "d3"
    step = log.feedback(tip="swim")
    assert step.unattributed is not None
    assert log.row("feedback", step.seq)["tip_id"] == "swim"


def test_the_join_window_is_24_hours_of_the_stream_s_time_inclusive(log: Log) -> None:
    log.scored()
    log.wait(us=DAY_US)
    assert log.feedback("snoozed").joins
    log.wait(us=1)
    step = log.feedback("helpful")
    assert not step.joins
    assert log.row("feedback", step.seq)["status"] == "unattributed"
    assert log.row("feedback", step.seq)["decision_id"] is None
    assert log.learned() == (1, 1, 0.0)


def test_the_producer_s_clock_does_not_open_or_shut_the_window(log: Log) -> None:
    log.scored()
    log.wait(hours=25)
    assert log.feedback(occurred_us=log.now_us - 2 * 3600 * 1_000_000).unattributed
    log.scored()
    assert log.feedback(occurred_us=log.now_us - 40 * DAY_US).joins


def test_without_any_decision_it_is_stored_and_nothing_is_learned(log: Log) -> None:
    step = log.feedback()
    assert step.unattributed
    assert log.rows("feedback")[0]["status"] == "unattributed"
    assert log.learned() == (0, 0, 0.0)
    assert log.rows("bandit_stats") == []
    assert log.dead() == []
    log.scored()
    assert log.row("feedback", 1)["status"] == "unattributed", "a later decision is not what they reacted to"


def test_somebody_else_s_decisions_are_not_considered(log: Log) -> None:
    log.scored("bob")
    assert log.feedback(user="ann").unattributed


def test_a_named_decision_is_joined_long_after_a_day(log: Log) -> None:
    log.scored(decision_id="d1")
    log.scored(decision_id="d2")
    log.wait(days=29)
    log.feedback("done", decision_id="d1")
    assert log.row("tip_scores", 1)["reward"] == 1.0
    assert log.learned() == (1, 1, 1.0)


def test_another_person_s_decision_is_a_dead_letter_with_its_bytes(log: Log) -> None:
    log.scored("bob", "d1")
    data = b'{"decision_id": "d1"  }'
    log.bare("tips.feedback.helpful.ann", data, {"Nats-Msg-Id": "m"})
    assert log.dead() == [(2, reasons.OTHER_PERSON)]
    row = log.row("dead_letters", 2)
    assert row["data"] == data
    assert row["subject"] == "tips.feedback.helpful.ann"
    assert row["headers"] == '{"Nats-Msg-Id":"m"}'
    assert log.rows("feedback") == []
    assert log.learned("ann") == log.learned("bob") == (0, 0, 0.0)
    assert log.row("tip_scores", 1)["reactions"] == 0
    assert not any(row["feedback"] for row in log.rows("users")), "a dead letter is no feedback of anyone"


def test_a_reaction_to_an_alternative_is_stored_but_not_the_decision_s(log: Log) -> None:
    log.scored(decision_id="d1", tip="walk", candidates=["walk", "rest"])
    log.feedback(decision_id="d1", tip="rest")
    row = log.row("feedback", 2)
    assert (row["decision_id"], row["tip_id"], row["status"], row["effect"]) == ("d1", "rest", "unattributed", "none")
    assert log.row("tip_scores", 1)["reactions"] == 0
    log.feedback("done", decision_id="d1", tip="walk")
    assert log.learned() == (1, 1, 1.0)


def test_feedback_on_a_caller_s_own_candidate_joins(log: Log) -> None:
    own = InlineCandidate(tip_id="own", features={"effort": 1.0})
    log.scored(tip="own", candidates=["walk", own])  # type: ignore[list-item]
    assert log.feedback(tip="own").joins
    assert log.row("candidate_lists", 1)["tip_ids"] == ["walk", "own"]


@pytest.mark.parametrize("first", ACTIONS)
@pytest.mark.parametrize("second", ACTIONS)
def test_a_decision_s_reward_is_the_latest_verdict_plus_the_latest_outcome(
    log: Log, first: Action, second: Action
) -> None:
    verdicts = {"helpful": 0.5, "not_helpful": -0.5}
    outcomes = {"done": 1.0, "snoozed": 0.0, "dismissed": -0.25}
    log.scored(decision_id="d")
    log.feedback(first, decision_id="d")
    log.feedback(second, decision_id="d")
    said = [action for action in (first, second) if action in verdicts]
    did = [action for action in (first, second) if action in outcomes]
    expected = (verdicts[said[-1]] if said else 0.0) + (outcomes[did[-1]] if did else 0.0)
    row = log.row("tip_scores", 1)
    assert row["reward"] == expected == reward(row["verdict"], row["outcome"])
    assert (row["verdict"], row["outcome"]) == (said[-1] if said else None, did[-1] if did else None)
    assert row["reactions"] == 2
    version, pulls, total = log.learned()
    assert (pulls, total) == (1, expected)
    before = reward(first, None) if first in verdicts else reward(None, first)
    assert version == (1 if expected == before else 2)


def test_reacted_at_is_the_producer_s_time_of_the_latest_reaction(log: Log) -> None:
    log.scored(decision_id="d")
    log.wait(hours=1)
    log.feedback("helpful", decision_id="d", occurred_us=log.now_us - 60_000_000)
    assert log.row("tip_scores", 1)["reacted_at"] == log.now_us - 60_000_000


def test_a_decision_of_the_wrong_length_or_an_unknown_feature_set_is_a_dead_letter(log: Log) -> None:
    log.scored(decision_id="d1", x=[1.0, 2.0])
    log.scored(decision_id="d2", feature_set="weather.v9")
    assert log.dead() == [(1, reasons.WRONG_FEATURES), (2, reasons.WRONG_FEATURES)]
    assert log.rows("tip_scores") == []
    assert log.rows("users") == []
    log.scored(decision_id="d1")
    assert log.rows("tip_scores")[0]["seq"] == 3, "a refused decision does not hold its id"


@pytest.mark.parametrize("value", [1e200, -1e200, 1.5e6])
def test_a_decision_whose_x_would_overflow_the_sums_is_a_dead_letter(log: Log, value: float) -> None:
    log.scored(decision_id="d1", x=[value, *(0.0,) * 15])
    assert log.dead() == [(1, reasons.WRONG_FEATURES)]
