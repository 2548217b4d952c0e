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
from tests.projections.office import REACTIONS, Office


def life(decisions: int = 120, worth: tuple[str | None, ...] = REACTIONS) -> Office:
    """An office after so many decisions for ann, and two quiet days."""
    office = Office()
    office.log.admin(PolicyPromoted(policy="linucb", reason="test"))
    office.live(decisions, worth)
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
