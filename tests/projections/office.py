"""Decisions made over a log by hand, and logged when told: late, early, after a reset, or changed."""

from typing import Any

from contracts.events.person import TipScored
from ml.policies.decision import Decider, ScoringCall
from services.catalog.builtin import builtin_tips
from tests.folds.log import Log

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
