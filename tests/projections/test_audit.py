"""The audit recomputes each decision from the state it names, wherever it stands in the log."""

import pytest

from projections.audit import ScoreAudit
from projections.folds.projection import State, fold
from tests.folds.log import DECODER
from tests.projections.office import Office


def audit_of(office: Office) -> ScoreAudit:
    """A fresh fold of an office's log with an audit on it."""
    state = State()
    audit = ScoreAudit(state)
    for recorded in office.log.records:
        audit.observe(fold(state, DECODER.decode(recorded))[0])
    return audit


@pytest.fixture
def office() -> Office:
    return Office()


def test_decisions_in_step_with_their_state_are_identical(office: Office) -> None:
    office.learn()
    office.append(office.decide("last"))
    assert audit_of(office).verdicts == {"identical": 4}


def test_a_decision_logged_after_later_changes_is_identical(office: Office) -> None:
    office.learn(3)
    late = office.decide("late")
    office.learn(4)
    office.log.feedback("not_helpful", "ann", "d5")
    office.append(late)
    assert late.state_version == 3
    assert office.log.state.learning.people["ann"].version == 8
    assert audit_of(office).verdicts == {"identical": 8}


def test_a_decision_made_before_a_reset_and_logged_after_it_is_identical(office: Office) -> None:
    office.learn(3)
    late = office.decide("late")
    office.log.reset("ann")
    after = office.decide("after")
    office.append(late)
    office.append(after)
    assert (late.state_version, after.state_version) == (3, 4)
    office.learn(2)
    assert audit_of(office).verdicts == {"identical": 7}


def test_feedback_that_waits_for_its_decision_does_not_count_for_it(office: Office) -> None:
    office.learn(1)
    early = office.decide("early")
    office.log.feedback("done", "ann", "early")
    office.append(early)
    assert office.log.learned("ann")[1] == 2
    assert audit_of(office).verdicts == {"identical": 2}


def test_a_tampered_score_is_mismatched_and_named(office: Office) -> None:
    office.learn(2)
    honest = office.decide("honest")
    seq = office.append(honest.model_copy(update={"score": [value + 1e-6 for value in honest.score]}))
    audit = audit_of(office)
    assert audit.verdicts == {"identical": 2, "mismatched": 1}
    (mismatch,) = audit.mismatches
    assert (mismatch.seq, mismatch.decision_id, mismatch.differences) == (seq, "honest", ("score",))


def test_a_state_version_from_the_future_is_mismatched(office: Office) -> None:
    office.learn(2)
    office.append(office.decide("ahead", state_version=9))
    (mismatch,) = audit_of(office).mismatches
    assert mismatch.differences == ("state_version 9 is ahead of the log, which knows 2",)


def test_a_state_version_of_the_past_that_was_not_used_is_mismatched(office: Office) -> None:
    office.learn(2)
    office.append(office.decide("behind", state_version=1))
    (mismatch,) = audit_of(office).mismatches
    assert "score" in mismatch.differences


def test_another_kernel_may_differ_by_a_billionth(office: Office) -> None:
    office.learn(2)
    made = office.decide("other", kernel="another.v1")
    office.append(made.model_copy(update={"score": [value * (1 + 1e-12) for value in made.score]}))
    assert audit_of(office).verdicts == {"identical": 2, "close": 1}


def test_external_decisions_are_counted_and_not_recomputed(office: Office) -> None:
    office.log.scored("bob", external=True)
    office.learn(1)
    assert audit_of(office).verdicts == {"external": 1, "identical": 1}
