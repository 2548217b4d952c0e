"""What a feature set is made of: signals, tip attributes and features.

Every feature is a product x_i = f_i(context) * g_i(tip), so a whole candidate matrix is one elementwise
multiplication.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

Known = TypeVar("Known", contravariant=True)


@dataclass(frozen=True, slots=True)
class Signal:
    """One number that a source reports about a person.

    `default` stands in for a value that is absent, older than `max_age_s` seconds, or whose token has
    expired; `bounds` are the lowest and highest value that still make a difference.
    """

    name: str
    source: str
    description: str
    default: float
    bounds: tuple[float, float]
    max_age_s: int

    def scaled(self, value: float) -> float:
        """The value clipped to its bounds, on a scale from -1 to 1 on which the default is 0."""
        low, high = self.bounds
        return (min(max(value, low), high) - self.default) / max(high - self.default, self.default - low)


@dataclass(frozen=True, slots=True)
class Reading:
    """A context once read: the caller's clock, and every known signal on its scale (0 if imputed).

    `second_of_day` is 0 to 86399, `weekday` 0 (Monday) to 6.
    """

    second_of_day: int
    weekday: int
    signals: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TipAttributes:
    """What is known of a tip: `effort` 1 (none) to 5 (a lot), `minutes` above 0, one of the categories.

    What is left out is neutral: it makes factors of 0. `given` are tip factors that a caller supplied by
    feature name.
    """

    tip_id: str
    category: str | None = None
    effort: float = 3
    minutes: float = 10
    given: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Factor(Generic[Known]):
    """One number in [-1, 1] worked out from what is known of a moment or a tip; `formula` says how, for people."""

    formula: str
    of: Callable[[Known], float]

    def __call__(self, known: Known) -> float:
        return self.of(known)


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the candidate matrix: a context factor times a tip factor, both in [-1, 1]."""

    name: str
    description: str
    context: Factor[Reading]
    tip: Factor[TipAttributes]
    signals: tuple[Signal, ...] = ()
    dtype: str = "float64"
    bounds: tuple[float, float] = (-1.0, 1.0)

    @property
    def transform(self) -> str:
        """How it is made; signals stand for their values on the scale from -1 to 1."""
        factors = [formula for formula in (self.context.formula, self.tip.formula) if formula != "1"]
        return " × ".join(factors) or "1"

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources whose signals it reads."""
        return tuple(dict.fromkeys(signal.source for signal in self.signals))

    @property
    def default(self) -> float | None:
        """Its value when all its signals are imputed; None when it reads none."""
        return 0.0 if self.signals else None

    @property
    def max_age_s(self) -> int | None:
        """The age in seconds above which a signal of its is imputed; None when it reads none."""
        return min((signal.max_age_s for signal in self.signals), default=None)


@dataclass(frozen=True)
class FeatureSet:
    """A versioned, ordered list of features; a change of any definition is a new name."""

    name: str
    features: tuple[Feature, ...]

    @property
    def d(self) -> int:
        """The number of features."""
        return len(self.features)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The features' names, in the order of the columns."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def columns(self) -> dict[str, int]:
        """Where each feature stands."""
        return {name: column for column, name in enumerate(self.names)}

    @cached_property
    def signals(self) -> dict[str, Signal]:
        """The signals that its features read, by name."""
        return {signal.name: signal for feature in self.features for signal in feature.signals}

    @cached_property
    def readers(self) -> dict[str, frozenset[str]]:
        """The names of the features that read each signal."""
        return {
            name: frozenset(feature.name for feature in self.features if signal in feature.signals)
            for name, signal in self.signals.items()
        }
