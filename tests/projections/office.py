"""Decisions made over a log by hand, and logged when told: late, early, after a reset, or changed."""

from collections.abc import Sequence
from typing import Any

from contracts.events.person import TipScored
from ml.policies.decision import Decider, ScoringCall
from services.catalog.builtin import builtin_tips
from tests.folds.log import Log

REACTIONS = ("done", "not_helpful", None, "helpful", "dismissed")
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

    def live(self, decisions: int, reactions: Sequence[str | None] = REACTIONS) -> list[TipScored]:
        """Decisions for ann an hour apart, with reactions in turn, and two quiet days."""
        made = []
        for number in range(decisions):
            self.log.wait(hours=1)
            decision = self.decide(f"d{number}")
            self.append(decision)
            action = reactions[number % len(reactions)]
            if action is not None:
                self.log.feedback(action, "ann", decision.decision_id)  # type: ignore[arg-type]
            made.append(decision)
        self.log.wait(days=2)
        self.log.scored("bob", "last")
        return made

    def learn(self, pulls: int = 3) -> None:
        """Decisions with a reaction each."""
        for _ in range(pulls):
            decision = self.decide(f"d{self.log.seq}")
            self.append(decision)
            self.log.feedback("helpful", "ann", decision.decision_id)
