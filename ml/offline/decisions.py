"""Past decisions with the candidate matrix that they were made from, made again from the read model's tables.

The matrix comes from the function that serving calls; `x_digest` says whether it is the one that was scored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import duckdb

from contracts.errors import TipstreamError
from ml.features.feature_set import FeatureSet
from ml.features.vector import Array, candidate_matrix, matrix_digest, read_context
from ml.offline.asof import DECISIONS, KNOWN, MOMENT, POSITIONS, SIGHTINGS, VERSIONS
from ml.offline.catalog import PastCatalog

ROWS_AT_ONCE = 5_000

Standing = Literal["exact", "behind", "ahead", "untraced"]

_SIGNALS = f"""
    SELECT k.seq, list({{
        'name': k.name,
        'value': CASE WHEN mine THEN s.entry.value ELSE k.value END,
        'source': CASE WHEN mine THEN s.entry.source ELSE k.source END,
        'observed_at': CASE WHEN mine THEN s.entry.observed_at ELSE strftime(k.observed_at, {MOMENT}) END,
        'token_expires_at':
            CASE WHEN mine THEN s.entry.token_expires_at ELSE strftime(k.token_expires_at, {MOMENT}) END
    }} ORDER BY k.name) FILTER (CASE WHEN mine THEN s.entry IS NOT NULL ELSE k.told_seq IS NOT NULL END) AS signals,
        count(*) FILTER (s.entry IS NOT NULL AND s.told_seq IS NULL) AS supplied
    FROM known k JOIN (
        SELECT *, NOT traced OR (entry IS NOT NULL AND told_seq IS NULL) AS mine
        FROM sightings JOIN positions USING (seq)
    ) s ON s.seq = k.seq AND s.name = k.name
    GROUP BY k.seq
"""

_ALL = f"""
    WITH versions AS MATERIALIZED ({VERSIONS}), decisions AS MATERIALIZED ({DECISIONS}),
    sightings AS MATERIALIZED ({SIGHTINGS}), positions AS MATERIALIZED ({POSITIONS}),
    asked AS (SELECT seq, user_id, name, known_seq FROM sightings JOIN positions USING (seq)),
    known AS ({KNOWN}), contexts AS ({_SIGNALS})
    SELECT t.seq, t.decision_id, t.user_id, t.tip_id, t.policy, t.propensity, t.reward, t.context->>'now' AS now,
           t.x_digest, t.catalog_seq, t.state_version, t.model_seq, t.missing, t.stale_sources,
           epoch_us(t.occurred_at) AS occurred_at, epoch_us(t.recorded_at) AS recorded_us,
           p.known_seq, p.traced, c.signals, c.supplied, l.tip_ids, l.described
    FROM tip_scores t JOIN positions p USING (seq) JOIN contexts c USING (seq) JOIN candidate_lists l USING (seq)
    ORDER BY t.seq
"""


@dataclass(frozen=True, slots=True, eq=False)
class OfflineDecision:
    """A decision at `seq`, its context rebuilt as of `known_seq`, and the matrix (k, d) of its candidates.

    `chosen` is the row of the tip that was shown, `reward` None without a reaction. `supplied` counts the signals that
    no event had told, which are taken as the caller gave them. `problem` says why there is no matrix. `occurred_at` and
    `recorded_us` are in microseconds since 1970.
    """

    seq: int
    decision_id: str
    user_id: str
    tip_id: str
    policy: str
    propensity: float
    reward: float | None
    occurred_at: int
    recorded_us: int
    state_version: int
    missing: list[str]
    stale_sources: list[str]
    context: dict[str, Any]
    model_seq: int
    known_seq: int
    traced: bool
    supplied: int
    chosen: int
    x_digest: str
    matrix: Array | None
    problem: str | None = None

    @property
    def standing(self) -> Standing:
        """Where the read model stood beside the scorer: at the same event, `behind` or `ahead` of it.

        `untraced`: the stream never stood as the context says, so it is taken as it was logged.
        """
        if not self.traced:
            return "untraced"
        if self.known_seq == self.model_seq:
            return "exact"
        return "behind" if self.known_seq < self.model_seq else "ahead"

    @property
    def proven(self) -> bool:
        """Whether the matrix is, bit for bit, the one that was scored."""
        return self.matrix is not None and matrix_digest(self.matrix) == self.x_digest


def offline_decisions(
    connection: duckdb.DuckDBPyConnection,
    feature_set: FeatureSet,
    first_seq: int | None = None,
    last_seq: int | None = None,
) -> Iterator[OfflineDecision]:
    """Our own decisions with a feature set, in stream order, within a span of sequences (None: open).

    `connection` is to the tables of the DuckDB read model and must not be used for something else meanwhile.
    """
    catalog = PastCatalog(connection, feature_set)
    values = {
        "names": list(feature_set.signals),
        "feature_set": feature_set.name,
        "first_seq": first_seq,
        "last_seq": last_seq,
    }
    for batch in connection.execute(_ALL, values).to_arrow_reader(ROWS_AT_ONCE):
        for row in batch.to_pylist():
            yield _decision(feature_set, catalog, row)


def _decision(feature_set: FeatureSet, catalog: PastCatalog, row: dict[str, Any]) -> OfflineDecision:
    signals = {one.pop("name"): _entry(one) for one in row["signals"] or ()}
    context = {"now": row["now"], "signals": signals}
    matrix, problem = None, None
    try:
        tips = catalog.rows(row["tip_ids"], row["described"], row["catalog_seq"])
        matrix = candidate_matrix(tips, read_context(feature_set, context).factors)
    except TipstreamError as error:
        problem = str(error)
    return OfflineDecision(
        seq=row["seq"],
        decision_id=row["decision_id"],
        user_id=row["user_id"],
        tip_id=row["tip_id"],
        policy=row["policy"],
        propensity=row["propensity"],
        reward=row["reward"],
        occurred_at=row["occurred_at"],
        recorded_us=row["recorded_us"],
        state_version=row["state_version"],
        missing=row["missing"],
        stale_sources=row["stale_sources"],
        context=context,
        model_seq=row["model_seq"],
        known_seq=row["known_seq"],
        traced=row["traced"],
        supplied=row["supplied"],
        chosen=row["tip_ids"].index(row["tip_id"]),
        x_digest=row["x_digest"],
        matrix=matrix,
        problem=problem,
    )


def _entry(told: dict[str, Any]) -> dict[str, Any]:
    if told["token_expires_at"] is None:
        del told["token_expires_at"]
    return told
