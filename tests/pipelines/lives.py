"""Small logs to train on: two people who react to whatever they are shown, hour by hour."""

from contracts.events.admin import PolicyPromoted
from ml.pipelines.rows import Gathering, Rows
from tests.folds.log import DECODER, Log
from tests.projections.office import Office

ACTIONS = ("done", "not_helpful", None, "helpful", "dismissed")


def life(decisions: int = 120, worth: tuple[str | None, ...] = ACTIONS) -> Office:
    """An office after so many decisions for ann, and two quiet days."""
    office = Office()
    office.log.admin(PolicyPromoted(policy="linucb", reason="test"))
    for number in range(decisions):
        office.log.wait(hours=1)
        decision = office.decide(f"d{number}")
        office.append(decision)
        action = worth[number % len(worth)]
        if action is not None:
            office.log.feedback(action, "ann", decision.decision_id)  # type: ignore[arg-type]
    office.log.wait(days=2)
    office.log.scored("bob", "last")
    return office


def gathered(log: Log, *, young: bool = False, segment: str = "day") -> Rows:
    """The rows of a log."""
    gathering = Gathering(segment, young)
    for recorded in log.records:
        gathering.take(DECODER.decode(recorded))
    return gathering.finish()
