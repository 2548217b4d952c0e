"""The context and tip factors that features multiply, each in [-1, 1].

They use only +, -, *, / and comparisons, which IEEE 754 rounds the same way on every machine. That is why the
hour of the day is a triangle and not a sine: libm's sin differs in its last bit between machines, and so
would every digest.
"""

from collections.abc import Callable

from ml.features.feature_set import Reading, TipAttributes

_HOUR = 3600
_DAY = 24 * _HOUR


def constant(_: object) -> float:
    """1, whatever the context or the tip."""
    return 1.0


def around(hour: int, reach: int) -> Callable[[Reading], float]:
    """1 at this hour of the day, falling in a straight line to 0 `reach` hours before and after it."""

    def factor(reading: Reading) -> float:
        apart = abs(reading.second_of_day - hour * _HOUR)
        return max(0.0, 1.0 - min(apart, _DAY - apart) / (reach * _HOUR))

    return factor


def weekend(reading: Reading) -> float:
    """1 on Saturday and Sunday, else 0."""
    return 1.0 if reading.weekday >= 5 else 0.0


def level(name: str) -> Callable[[Reading], float]:
    """A signal on its scale."""
    return lambda reading: reading.signals[name]


def contrast(high: str, low: str) -> Callable[[Reading], float]:
    """Half the difference of two signals: 1 when the first is highest and the second lowest."""
    return lambda reading: (reading.signals[high] - reading.signals[low]) / 2


def category(*names: str) -> Callable[[TipAttributes], float]:
    """1 for tips of these categories, else 0."""
    return lambda tip: 1.0 if tip.category in names else 0.0


def effort(tip: TipAttributes) -> float:
    """-1 for the lightest tips (effort 1), 0 in the middle (3), 1 for the hardest (5)."""
    return (tip.effort - 3.0) / 2.0


def duration(tip: TipAttributes) -> float:
    """-1 for no time at all, 0 for ten minutes, towards 1 for hours: (m - 10) / (m + 10)."""
    return (tip.minutes - 10.0) / (tip.minutes + 10.0)
