"""The audit recomputes each decision from the state it names, wherever it stands in the log."""

from typing import Any

import pytest

from contracts.events.person import TipScored
from ml.policies.decision import Decider, ScoringCall
from projections.audit import ScoreAudit
from projections.folds.projection import State, fold
from services.catalog.builtin import builtin_tips
from tests.folds.log import DECODER, Log

TIPS = [tip.tip_id for tip in builtin_tips()][:5]


class Office:
    """Decides over a log; what it decides is appended only when `log` is told."""

    def __init__(self) -> None:
        self.log = Log()
        self.decider = Decider()
        for tip in builtin_tips()[:5]:
            self.log.admin(tip)

    def decide(self, decision_id: str, **changes: Any) -> TipScored:
        """A decision for ann of the state as it is."""
        log = self.log
        call = ScoringCall(decision_id, "ann", "linucb", TIPS)
        made = self.decider.decide(log.state, call, self.decider.read({}, log.now_us), log.now_us)
        return made.model_copy(update=changes)

    def append(self, decision: TipScored) -> int:
        """Log a decision; its sequence."""
        self.log.event(decision, event_id=decision.decision_id)
        return self.log.seq

    def learn(self, pulls: int = 3) -> None:
        """Decisions with a reaction each."""
        for _ in range(pulls):
            decision = self.decide(f"d{self.log.seq}")
            self.append(decision)
            self.log.feedback("helpful", "ann", decision.decision_id)

    def audit(self) -> ScoreAudit:
        """A fresh fold of the log with an audit on it."""
        state = State()
        audit = ScoreAudit(state)
        for recorded in self.log.records:
            audit.observe(fold(state, DECODER.decode(recorded))[0])
        return audit


@pytest.fixture
def office() -> Office:
    return Office()


def test_decisions_in_step_with_their_state_are_identical(office: Office) -> None:
    office.learn()
    office.append(office.decide("last"))
    assert office.audit().verdicts == {"identical": 4}


def test_a_decision_logged_after_later_changes_is_identical(office: Office) -> None:
    office.learn(3)
    late = office.decide("late")
    office.learn(4)
    office.log.feedback("not_helpful", "ann", "d5")
    office.append(late)
    assert late.state_version == 3
    assert office.log.state.learning.people["ann"].version == 8
    assert office.audit().verdicts == {"identical": 8}


def test_a_decision_made_before_a_reset_and_logged_after_it_is_identical(office: Office) -> None:
    office.learn(3)
    late = office.decide("late")
    office.log.reset("ann")
    after = office.decide("after")
    office.append(late)
    office.append(after)
    assert (late.state_version, after.state_version) == (3, 4)
    office.learn(2)
    assert office.audit().verdicts == {"identical": 7}


def test_feedback_that_waits_for_its_decision_does_not_count_for_it(office: Office) -> None:
    office.learn(1)
    early = office.decide("early")
    office.log.feedback("done", "ann", "early")
    office.append(early)
    assert office.log.learned("ann")[1] == 2
    assert office.audit().verdicts == {"identical": 2}


def test_a_tampered_score_is_mismatched_and_named(office: Office) -> None:
    office.learn(2)
    honest = office.decide("honest")
    seq = office.append(honest.model_copy(update={"score": [value + 1e-6 for value in honest.score]}))
    audit = office.audit()
    assert audit.verdicts == {"identical": 2, "mismatched": 1}
    (mismatch,) = audit.mismatches
    assert (mismatch.seq, mismatch.decision_id, mismatch.differences) == (seq, "honest", ("score",))


def test_a_state_version_from_the_future_is_mismatched(office: Office) -> None:
    office.learn(2)
    office.append(office.decide("ahead", state_version=9))
    (mismatch,) = office.audit().mismatches
    assert mismatch.differences == ("state_version 9 is ahead of the log, which knows 2",)


def test_a_state_version_of_the_past_that_was_not_used_is_mismatched(office: Office) -> None:
    office.learn(2)
    office.append(office.decide("behind", state_version=1))
    (mismatch,) = office.audit().mismatches
    assert "score" in mismatch.differences


def test_another_kernel_may_differ_by_a_billionth(office: Office) -> None:
    office.learn(2)
    made = office.decide("other", kernel="another.v1")
    office.append(made.model_copy(update={"score": [value * (1 + 1e-12) for value in made.score]}))
    assert office.audit().verdicts == {"identical": 2, "close": 1}


def test_external_decisions_are_counted_and_not_recomputed(office: Office) -> None:
    office.log.scored("bob", external=True)
    office.learn(1)
    assert office.audit().verdicts == {"external": 1, "identical": 1}
