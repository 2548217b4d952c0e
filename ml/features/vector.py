"""From a context and candidate tips to the candidate matrix: one function for serving and training.

The same context, tips and feature set give the same bits on every machine, so anyone can regenerate a matrix
from the log.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from contracts.errors import TipstreamError
from contracts.times import SECOND_US, parse_time
from ml.features.definitions import CATEGORIES
from ml.features.feature_set import FeatureSet, Reading, Signal, TipAttributes

Array: TypeAlias = NDArray[np.float64]

NO_NUMBER = "must be a finite number"

CALLER = "caller"
"""The source of signals that the caller of a scoring call supplied: observed at `now`, without a token."""


class ContextError(TipstreamError):
    """The context can't be read; `field` is the path of what is wrong, as in context.signals.steps.value."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


class FeatureError(TipstreamError):
    """A candidate's inline feature can't be used; `key` is its name."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"feature {key!r} {problem}")
        self.key = key
        self.problem = problem


@dataclass(frozen=True, slots=True, eq=False)
class ContextVector:
    """A context's factors, read-only float64 (d,), and what was noticed while reading it.

    `missing` names the features of which a signal was imputed and `stale_sources` the sources whose token had
    expired at `now`; `read` is a copy of all that was read and reads to the same vector again; `ignored` are
    the paths that no feature reads.
    """

    factors: Array
    missing: tuple[str, ...]
    stale_sources: tuple[str, ...]
    read: dict[str, Any]
    ignored: tuple[str, ...]


def read_context(feature_set: FeatureSet, context: Mapping[str, Any]) -> ContextVector:
    """The factors of `{"now", "signals": {name: {"value", "source", "observed_at", "token_expires_at"?}}}`.

    A number under a signal's own name beside `now` is that signal as the caller knows it, and wins. The
    offset of `now` decides the hour and weekday: in +02:00 a morning is a morning there. Raises ContextError.
    """
    if not isinstance(context, Mapping):
        raise ContextError("context", "must be a JSON object")
    if "now" not in context:
        raise ContextError("context.now", "is missing; give the moment of the decision as an RFC 3339 timestamp")
    now = context["now"]
    now_us = _time(now, "", ".now")
    given = context.get("signals", {})
    if not isinstance(given, Mapping):
        raise ContextError("context.signals", "must be a JSON object of signals by name")

    known = feature_set.signals
    read: dict[str, dict[str, Any]] = {}
    levels: dict[str, float] = {}
    imputed: set[str] = set()
    stale: dict[str, None] = {}
    for name, signal in known.items():
        levels[name] = 0.0
        if name in context:
            value = _finite(context[name])
            if value is None:
                raise ContextError(f"context.{name}", NO_NUMBER)
            seen = Seen({"value": value, "source": CALLER, "observed_at": now}, now_us, None)
        elif name in given:
            seen = seen_in(given[name], name)
        else:
            imputed |= feature_set.readers[name]
            continue
        read[name] = seen.entry
        reason = seen.imputed(signal, now_us)
        if reason is None:
            levels[name] = signal.scaled(seen.entry["value"])
            continue
        imputed |= feature_set.readers[name]
        if reason == "expired":
            stale[seen.entry["source"]] = None

    clock = datetime.fromisoformat(now)
    reading = Reading(clock.hour * 3600 + clock.minute * 60 + clock.second, clock.weekday(), levels)
    factors = np.array([feature.context(reading) for feature in feature_set.features], dtype=np.float64)
    factors.flags.writeable = False
    return ContextVector(
        factors,
        tuple(name for name in feature_set.names if name in imputed) if imputed else (),
        tuple(stale),
        {"now": now, "signals": read},
        (
            *(key for key in context if key not in known and key not in ("now", "signals")),
            *(f"signals.{name}" for name in given if name not in known),
        ),
    )


def tip_attributes_from(feature_set: FeatureSet, tip_id: str, features: Mapping[str, Any]) -> TipAttributes:
    """A candidate whose features the caller supplied: category, effort, minutes, tip factors by feature name.

    What is left out is neutral. Raises FeatureError for an unknown name or a value that can't be meant.
    """
    category: str | None = None
    effort, minutes = 3.0, 10.0
    given: dict[str, float] = {}
    for key, value in features.items():
        if key == "category":
            if value not in CATEGORIES:
                raise FeatureError(key, f"must be one of {', '.join(CATEGORIES)}")
            category = value
        elif key == "effort":
            effort = _between(key, value, 1, 5)
        elif key == "minutes":
            minutes = _between(key, value, 1, 480)
        elif key in feature_set.columns:
            given[key] = _between(key, value, -1, 1)
        else:
            known = ", ".join(("category", "effort", "minutes", *feature_set.names))
            raise FeatureError(key, f"is unknown; {feature_set.name} knows {known}")
    return TipAttributes(tip_id, category, effort, minutes, tuple(given.items()))


def tip_factors(feature_set: FeatureSet, tip: TipAttributes) -> Array:
    """The tip factors, float64 (d,). Raises FeatureError when a given factor is none of this feature set."""
    factors = np.array([feature.tip(tip) for feature in feature_set.features], dtype=np.float64)
    for name, value in tip.given:
        if name not in feature_set.columns:
            raise FeatureError(name, f"is no feature of {feature_set.name}")
        factors[feature_set.columns[name]] = value
    return factors


def candidate_matrix(tips: Array, context: Array) -> Array:
    """The matrix (k, d), C-contiguous float64, of tip factors (k, d) and context factors (d,)."""
    matrix = np.ascontiguousarray(tips * context)
    matrix += 0.0  # turns -0.0 into 0.0: equal numbers must have equal bytes, also after a trip through JSON
    return matrix


def matrix_digest(matrix: Array) -> str:
    """SHA-256 in hex of the matrix's values, row by row, as little-endian float64."""
    return sha256(np.ascontiguousarray(matrix, dtype="<f8").data).hexdigest()


class Seen(NamedTuple):
    """A signal in a context: its members as they are logged, and its times in microseconds since 1970."""

    entry: dict[str, Any]
    observed_us: int
    expires_us: int | None

    def imputed(self, signal: Signal, now_us: int) -> Literal["expired", "old"] | None:
        """Why its value does not count at `now_us`, None when it does."""
        if self.expires_us is not None and self.expires_us <= now_us:
            return "expired"
        return "old" if now_us - self.observed_us > signal.max_age_s * SECOND_US else None


def seen_in(given: Any, name: str) -> Seen:
    """The signal `name` of a context. Raises ContextError."""
    if type(given) is not dict and not isinstance(given, Mapping):
        raise ContextError(f"context.signals.{name}", "must be a JSON object with value, source and observed_at")
    for key in ("value", "source", "observed_at"):
        if key not in given:
            raise ContextError(f"context.signals.{name}.{key}", "is missing")
    number, source, observed_at, expires_at = (
        _finite(given["value"]),
        given["source"],
        given["observed_at"],
        given.get("token_expires_at"),
    )
    if number is None:
        raise ContextError(f"context.signals.{name}.value", NO_NUMBER)
    if not isinstance(source, str):
        raise ContextError(f"context.signals.{name}.source", "must be text")
    entry = {"value": number, "source": source, "observed_at": observed_at}
    observed_us = _time(observed_at, name, ".observed_at")
    if expires_at is None:
        return Seen(entry, observed_us, None)
    entry["token_expires_at"] = expires_at
    return Seen(entry, observed_us, _time(expires_at, name, ".token_expires_at"))


# The times of a person's signals come with every call until a source reports again.
_known_time = lru_cache(maxsize=8192)(parse_time)


def _time(value: Any, name: str, member: str) -> int:
    try:
        return _known_time(value) if isinstance(value, str) else parse_time(value)
    except ValueError as error:
        raise ContextError(f"context.signals.{name}{member}" if name else f"context{member}", str(error)) from None


def _between(key: str, value: Any, low: float, high: float) -> float:
    number = _finite(value)
    if number is None or not low <= number <= high:
        raise FeatureError(key, f"must be a finite number from {low} to {high}")
    return number


def _finite(value: Any) -> float | None:
    if type(value) is float:
        return value if math.isfinite(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
