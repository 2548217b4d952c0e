"""Where the values of a decision's features came from: each signal as the context had it, or why a default stood in."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from contracts.times import parse_time
from ml.features.feature_set import FeatureSet, Signal
from ml.features.vector import ContextError, seen_in

Reason = Literal["absent", "expired", "old"]
Mark = Literal["missing", "stale"]
"""`stale`: a source's token had expired; `missing`: its signal was absent or too old."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A signal at a decision: its value with its times (microseconds since 1970), None where the context had none.

    `imputed` says why the definition's default stood in for it: it was `absent`, its source's token had `expired`, or
    it was too `old`; None when the value counted.
    """

    signal: Signal
    value: float | None = None
    source: str | None = None
    observed_us: int | None = None
    expires_us: int | None = None
    imputed: Reason | None = "absent"


def origins(feature_set: FeatureSet, context: Mapping[str, Any]) -> list[Origin]:
    """Every signal of a feature set in a context as it was logged. Raises ContextError."""
    try:
        now_us = parse_time(context.get("now", ""))
    except ValueError as error:
        raise ContextError("context.now", str(error)) from None
    signals = context.get("signals", {})
    return [_origin(signal, signals.get(name), now_us) for name, signal in feature_set.signals.items()]


def _origin(signal: Signal, given: Any, now_us: int) -> Origin:
    if given is None:
        return Origin(signal)
    seen = seen_in(given, signal.name)
    imputed = seen.imputed(signal, now_us)
    return Origin(signal, seen.entry["value"], seen.entry["source"], seen.observed_us, seen.expires_us, imputed)


def marks(feature_set: FeatureSet | None, context: Mapping[str, Any], missing: Iterable[str]) -> dict[str, Mark]:
    """Why each feature that a decision names as missing was so; a context that cannot be read tells of no token."""
    stale: set[str] = set()
    if feature_set is not None:
        with suppress(ContextError):
            for origin in origins(feature_set, context):
                if origin.imputed == "expired":
                    stale |= feature_set.readers[origin.signal.name]
    return {name: "stale" if name in stale else "missing" for name in missing}
