"""Where the values of a decision's features came from: each signal as the context had it, or the reason for a default."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from contracts.times import parse_time
from ml.features.feature_set import FeatureSet, Signal
from ml.features.vector import ContextError, seen_in

Reason = Literal["absent", "expired", "old"]


@dataclass(frozen=True, slots=True)
class Origin:
    """A signal at a decision: its value with its times (microseconds since 1970), None where the context had none.

    `imputed` says why the definition's default stood in for it: it was `absent`, its source's token had `expired`, or it
    was too `old`; None when the value counted.
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
