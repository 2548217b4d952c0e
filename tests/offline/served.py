"""Decisions made for people's signals as a read model tells them, over a log by hand; and the tables of such logs."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from contracts.envelope import Recorded
from contracts.events.person import InlineCandidate, TipScored
from ml.policies.decision import ScoringCall
from projections.checkpoint import checkpoint_at
from projections.folds.changes import coalesce
from projections.folds.projection import State, fold
from projections.sinks.duckdb import DuckdbSink
from services.bus.stream import StreamInfo
from services.recommender.context import context_of
from tests.folds.log import DECODER, Log
from tests.projections.office import TIPS, Office

Rows = list[dict[str, Any]]


def online(log: Log, user: str = "ann") -> Rows:
    """What the recommender would read of a person now."""
    return [row for row in log.rows("online_features") if row["user_id"] == user]


def serve(
    office: Office,
    decision_id: str,
    *,
    given: Mapping[str, Any] | None = None,
    rows: Rows | None = None,
    user: str = "ann",
    candidates: Iterable[str | InlineCandidate] = TIPS,
) -> TipScored:
    """A decision as the recommender and the scorer make it, from `rows` (None: as they are); not logged yet."""
    log = office.log
    known = online(log, user) if rows is None else rows
    context, _ = context_of(known, given or {}, log.now_us)
    call = ScoringCall(decision_id, user, "linucb", list(candidates))
    return office.decider.decide(log.state, call, office.decider.read(context, log.now_us), log.now_us)


def served(office: Office, decision_id: str, **options: Any) -> TipScored:
    """The same, logged at once."""
    decision = serve(office, decision_id, **options)
    office.append(decision)
    return decision


def tables_of(records: Iterable[Recorded], folder: Path) -> DuckdbSink:
    """The DuckDB read model of a log."""
    state, changes, last = State(), [], None
    for last in records:
        changes += fold(state, DECODER.decode(last))[1]
    assert last is not None
    sink = DuckdbSink(folder / "rows.duckdb", {"threads": 1})
    batches = [batch for batch in coalesce(changes) if "duckdb" in batch.table.stores]
    sink.apply(batches, checkpoint_at(StreamInfo("TIPS", DECODER.created, 1, last.seq, last.seq, 0, 0), last))
    return sink
