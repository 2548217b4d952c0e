"""A feature store as training sees it: signals as they were known at a position of the stream; and DuckDB as one."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import duckdb
import numpy as np

from contracts.times import format_time
from ml.features.feature_set import FeatureSet
from ml.features.vector import Array, read_context
from ml.offline.asof import KNOWN, VERSIONS

Signals: TypeAlias = dict[str, dict[str, Any]]
"""A context's `signals`: by name `value`, `source`, `observed_at` and, where there is one, `token_expires_at`."""

LATEST = 2**63 - 1


class Asked(NamedTuple):
    """A person at the position `known_seq` of the stream, when the clock said `now` (RFC 3339)."""

    user_id: str
    known_seq: int
    now: str


class SignalStore(Protocol):
    """Where signals come from; both answers are in the order of the question."""

    def known(self, asked: Sequence[Asked]) -> list[Signals]: ...
    def latest(self, user_ids: Sequence[str]) -> list[Signals]: ...


def vectors(feature_set: FeatureSet, asked: Sequence[Asked], signals: Sequence[Signals]) -> Array:
    """The context factors (n, d) of each moment, by the function that serving calls. Raises ContextError."""
    factors = [
        read_context(feature_set, {"now": one.now, "signals": told}).factors
        for one, told in zip(asked, signals, strict=True)
    ]
    return np.array(factors, dtype=np.float64).reshape(len(asked), feature_set.d)


_ASKED = """
    SELECT row AS seq, user_id, known_seq, name
    FROM (SELECT unnest(range(len($users))) AS row, unnest($users) AS user_id, unnest($positions) AS known_seq),
         (SELECT unnest($names) AS name)
"""


class DuckdbStore:
    """The built-in store: point-in-time joins over the DuckDB read model."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, feature_set: FeatureSet) -> None:
        self._connection, self._names = connection, list(feature_set.signals)

    def known(self, asked: Sequence[Asked]) -> list[Signals]:
        """The signals at each position."""
        return self._at([one.user_id for one in asked], [one.known_seq for one in asked])

    def latest(self, user_ids: Sequence[str]) -> list[Signals]:
        """The signals as they stand."""
        return self._at(list(user_ids), [LATEST] * len(user_ids))

    def _at(self, users: list[str], positions: list[int]) -> list[Signals]:
        found: list[Signals] = [{} for _ in users]
        sql = f"""
            WITH versions AS ({VERSIONS}), asked AS ({_ASKED})
            SELECT seq, name, value, source, epoch_us(observed_at), epoch_us(token_expires_at)
            FROM ({KNOWN}) WHERE told_seq IS NOT NULL ORDER BY seq, name
        """
        values = {"names": self._names, "users": users, "positions": positions}
        for row, name, value, source, observed_us, expires_us in self._connection.execute(sql, values).fetchall():
            found[row][name] = entry(value, source, format_time(observed_us), expires_us and format_time(expires_us))
        return found


def entry(value: float, source: str, observed_at: str, token_expires_at: str | None) -> dict[str, Any]:
    """A signal as contexts hold it."""
    told = {"value": value, "source": source, "observed_at": observed_at}
    return told if token_expires_at is None else {**told, "token_expires_at": token_expires_at}
