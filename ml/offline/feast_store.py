"""A Feast repository as a store of signals, for what `tipstream features export-feast` wrote.

Imported only where Feast is installed: it takes seconds.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import feast
import pandas as pd
import pyarrow.parquet as pq

from ml.features.feature_set import FeatureSet
from ml.offline.feast_repo import DATA, MOMENTS
from ml.offline.store import Asked, Signals, entry

FIELDS = ("value", "source", "observed_at", "token_expires_at")
BEGINNING = datetime(1970, 1, 2, tzinfo=UTC)
"""Before any signal: the moment of a position before the first."""


class FeastStore:
    """The repository in `folder`, applied and, for `latest`, materialized."""

    def __init__(self, folder: Path, feature_set: FeatureSet) -> None:
        self._store = feast.FeatureStore(repo_path=str(folder))
        self._names = list(feature_set.signals)
        self._features = [f"{name}:{field}" for name in self._names for field in FIELDS]
        moments = pq.read_table(folder / DATA / MOMENTS).to_pydict()
        self._seqs: list[int] = moments["seq"]
        self._known_at: list[datetime] = moments["known_at"]

    def known(self, asked: Sequence[Asked]) -> list[Signals]:
        """The signals at each position, by Feast's point-in-time join."""
        wanted = [(one.user_id, self._moment(one.known_seq)) for one in asked]
        # Feast answers once for equal rows, and in an order of its own.
        rows = pd.DataFrame(sorted(set(wanted)), columns=["user_id", "event_timestamp"])
        answer = self._store.get_historical_features(rows, self._features, full_feature_names=True).to_df()
        told = {
            (row["user_id"], row["event_timestamp"].to_pydatetime()): self._signals(row)
            for row in answer.to_dict("records")
        }
        return [dict(told[key]) for key in wanted]

    def latest(self, user_ids: Sequence[str]) -> list[Signals]:
        """The signals as they were materialized into the online store."""
        rows = [{"user_id": user_id} for user_id in user_ids]
        answer = self._store.get_online_features(self._features, rows, full_feature_names=True).to_dict()
        return [self._signals({name: values[place] for name, values in answer.items()}) for place in range(len(rows))]

    def _moment(self, seq: int) -> datetime:
        place = bisect_right(self._seqs, seq)
        return self._known_at[place - 1] if place else BEGINNING

    def _signals(self, row: dict[Any, Any]) -> Signals:
        found: Signals = {}
        for name in self._names:
            value, source, observed_at, expires_at = (row[f"{name}__{field}"] for field in FIELDS)
            if isinstance(source, str):
                expires = expires_at if isinstance(expires_at, str) else None
                found[name] = entry(float(value), source, observed_at, expires)
        return found
