"""A number with its doubt: what every estimator answers."""

from dataclasses import dataclass
from math import sqrt
from typing import Self

from projections.reports.window import Z


@dataclass(frozen=True, slots=True)
class Estimate:
    """A reward per decision, its standard error, and the normal 95 % interval from `low` to `high`.

    `decisions` is how many it rests on.
    """

    value: float
    stderr: float
    low: float
    high: float
    decisions: int

    @classmethod
    def of(cls, value: float, variance: float, decisions: int) -> Self:
        """From the variance of the estimate itself; what rounding makes negative is 0."""
        stderr = sqrt(max(variance, 0.0))
        return cls(value, stderr, value - Z * stderr, value + Z * stderr, decisions)

    @classmethod
    def mean(cls, first: float, second: float, n: int) -> Self:
        """The mean of n >= 2 terms from their sum and the sum of their squares."""
        mean = first / n
        return cls.of(mean, (second - n * mean * mean) / (n - 1) / n, n)
