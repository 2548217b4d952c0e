"""An office whose people have signals, and the offline decisions of its log."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ml.features.definitions import WELLBEING_V1
from ml.offline.decisions import OfflineDecision, offline_decisions
from projections.sinks.duckdb import DuckdbSink
from tests.folds.log import Log
from tests.offline.served import tables_of
from tests.projections.office import Office

Tables = Callable[[Log], DuckdbSink]
Offline = Callable[[Log], dict[str, OfflineDecision]]


@pytest.fixture
def office() -> Office:
    """An office of which ann's steps and sleep are known."""
    office = Office()
    office.log.signal({"steps": 3000.0, "pulse": 61.0}, source="steps")
    office.log.wait(hours=1)
    office.log.signal({"sleep_hours": 8.5}, source="sleep", token_expires_us=office.log.now_us + 10**13)
    office.log.wait(hours=1)
    return office


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Tables]:
    """Folds a log into DuckDB."""
    made: list[DuckdbSink] = []

    def make(log: Log) -> DuckdbSink:
        made.append(tables_of(log.records, tmp_path / str(len(made))))
        return made[-1]

    yield make
    for sink in made:
        sink.close()


@pytest.fixture
def offline(tables: Tables) -> Offline:
    """The decisions of a log, made again from its tables, by id."""

    def make(log: Log) -> dict[str, OfflineDecision]:
        with tables(log).cursor() as cursor:
            return {decision.decision_id: decision for decision in offline_decisions(cursor, WELLBEING_V1)}

    return make
