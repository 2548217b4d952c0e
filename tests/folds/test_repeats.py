"""What is said twice counts once: copies of events, the same action again, and ids that are taken."""

from typing import get_args

import pytest

from contracts import reasons
from contracts.events.admin import BanditReset, PolicyPromoted
from contracts.rewards import Action
from projections.folds.projection import fold
from tests.folds.log import DECODER, Log, digests


def without_reactions(log: Log) -> list[dict[str, object]]:
    """`tip_scores` without what a repeated action, being an event of its own, may move."""
    return [
        {name: value for name, value in row.items() if name not in ("reactions", "reacted_at")}
        for row in log.rows("tip_scores")
    ]


@pytest.mark.parametrize("action", get_args(Action))
@pytest.mark.parametrize("days", [0, 0.5, 5, 29])
def test_the_same_action_again_changes_nothing_that_was_learned(log: Log, action: Action, days: float) -> None:
    log.scored(decision_id="d1")
    log.feedback(action, decision_id="d1")
    learned, stats, scores = log.learned(), log.rows("bandit_stats"), without_reactions(log)
    log.wait(days=days)
    step = log.feedback(action, decision_id="d1")
    assert (step.joins[0].effect, step.joins[0].delta) == ("none", 0.0)
    assert log.learned() == learned
    assert log.rows("bandit_stats") == stats
    assert without_reactions(log) == scores
    assert log.row("feedback", step.seq)["effect"] == "none"


def test_the_same_action_without_a_decision_id_changes_nothing_either(log: Log) -> None:
    log.scored()
    log.bare("tips.feedback.helpful.ann")
    log.bare("tips.feedback.helpful.ann")
    assert log.learned() == (1, 1, 0.5)
    assert log.column("feedback", "effect") == ["pull", "none"]


@pytest.mark.parametrize("days", [0, 1, 1.5, 29])
def test_a_copy_of_feedback_on_a_decision_leaves_every_table_as_it_was(log: Log, days: float) -> None:
    log.scored(decision_id="d1")
    log.feedback("helpful", decision_id="d1")
    log.feedback("not_helpful", decision_id="d1")
    before = digests(log.tables)
    log.wait(days=days)
    step = log.again(2)
    assert step.entry is None
    assert not step.joins
    assert digests(log.tables) == before
    assert log.learned() == (2, 1, -0.5)


@pytest.mark.parametrize("days", [0.5, 1.5, 29])
@pytest.mark.parametrize("later", [False, True])
def test_a_copy_of_feedback_that_names_no_decision_is_no_other_reaction(log: Log, days: float, later: bool) -> None:
    log.scored(decision_id="d1")
    log.bare("tips.feedback.done.ann", headers={"Nats-Msg-Id": "m1"})
    log.wait(days=days)
    if later:
        log.scored(decision_id="d2")
    before = digests(log.tables)
    assert log.again(2).entry is None
    assert digests(log.tables) == before
    assert log.learned() == (1, 1, 1.0)


def test_an_id_given_to_another_action_is_another_event(log: Log) -> None:
    log.scored(decision_id="d1")
    log.feedback("helpful", decision_id="d1", event_id="same")
    log.feedback("not_helpful", decision_id="d1", event_id="same")
    assert log.learned() == (2, 1, -0.5)
    log.wait(days=2)
    assert log.again(2).entry is None


def test_copies_of_any_event_within_a_day_leave_every_table_as_it_was(log: Log) -> None:
    log.admin(PolicyPromoted(policy="linucb"))
    log.scored(decision_id="d1")
    log.signal({"steps": 5.0})
    log.feedback()
    log.reset()
    log.feedback(decision_id="unseen")
    log.feedback(user="bob")
    before, state = digests(log.tables), log.learned()
    log.wait(hours=23.9)
    for seq in (5, 1, 7, 3, 6, 2, 4, 2, 1):
        assert log.again(seq).entry is None
    assert digests(log.tables) == before
    assert log.learned() == state


def test_a_copy_of_a_decision_is_ignored_as_long_as_it_is_open(log: Log) -> None:
    log.scored(decision_id="d1")
    log.feedback()
    before = digests(log.tables)
    log.wait(days=29.9)
    assert log.again(1).entry is None
    assert digests(log.tables) == before


def test_a_decision_id_that_is_taken_is_a_dead_letter(log: Log) -> None:
    log.scored(decision_id="d1", event_id="e1", tip="walk")
    log.scored(decision_id="d1", event_id="e2", tip="rest")
    assert log.dead() == [(2, reasons.DUPLICATE_DECISION)]
    assert "1" in log.row("dead_letters", 2)["detail"]
    assert log.column("tip_scores", "tip_id") == ["walk"]
    assert log.row("users", "ann")["decisions"] == 1


def test_a_decision_id_that_another_person_holds_is_a_dead_letter_under_any_event_id(log: Log) -> None:
    log.scored("ann", "d1")
    log.scored("bob", "d1")
    assert log.dead() == [(2, reasons.DUPLICATE_DECISION)]
    assert log.column("tip_scores", "user_id") == ["ann"]


def test_a_message_at_or_below_the_state_s_sequence_is_an_empty_step(log: Log) -> None:
    log.scored()
    log.feedback()
    step, changes = fold(log.state, DECODER.decode(log.records[0]))
    assert (step.entry, changes) == (None, [])
    assert log.state.seq == 2


def test_the_same_id_of_another_source_or_person_is_another_event(log: Log) -> None:
    log.signal({"steps": 1.0}, source="phone", event_id="same")
    log.signal({"steps": 2.0}, source="watch", event_id="same")
    log.signal({"steps": 3.0}, user="bob", event_id="same")
    assert len(log.rows("signals")) == 3


def test_not_helpful_after_helpful_corrects_the_sum_and_leaves_pulls(log: Log) -> None:
    log.scored(decision_id="d1")
    log.feedback("helpful", decision_id="d1")
    assert log.learned() == (1, 1, 0.5)
    step = log.feedback("not_helpful", decision_id="d1")
    assert (step.joins[0].effect, step.joins[0].delta) == ("correction", -1.0)
    assert log.learned() == (2, 1, -0.5)
    log.feedback("helpful", decision_id="d1")
    assert log.learned() == (3, 1, 0.5)
    assert log.column("tip_scores", "verdict") == ["helpful"]


def test_a_signed_event_played_back_years_later_does_nothing(log: Log) -> None:
    log.scored(decision_id="d1")
    log.admin(BanditReset(user_id="ann"))
    log.scored(decision_id="d2")
    log.feedback("helpful", decision_id="d2")
    learned = log.learned()
    log.wait(days=800)
    step = log.again(2)
    assert step.entry is None
    assert log.learned() == learned
