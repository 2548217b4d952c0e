"""Small logs to train on: two people who react to whatever they are shown, hour by hour."""

import tempfile
from pathlib import Path

from contracts.events.admin import PolicyPromoted
from contracts.times import DAY_US
from ml.features.definitions import WELLBEING_V1
from ml.offline.decisions import offline_decisions
from ml.pipelines.rows import Rows, rows_of
from tests.folds.log import Log
from tests.offline.served import tables_of
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
    """The rows of a log, as training reads them from its tables."""
    before_us = None if young else log.now_us - DAY_US
    with tempfile.TemporaryDirectory() as folder:
        sink = tables_of(log.records, Path(folder))
        try:
            with sink.cursor() as cursor:
                return rows_of(offline_decisions(cursor, WELLBEING_V1), WELLBEING_V1.name, segment, before_us)
        finally:
            sink.close()
