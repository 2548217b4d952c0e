"""The context and tip factors that features multiply, each in [-1, 1].

They use only +, -, *, / and comparisons, which IEEE 754 rounds the same way on every machine. That is why the
hour of the day is a triangle and not a sine: libm's sin differs in its last bit between machines, and so
would every digest.
"""

from ml.features.feature_set import Factor, Reading, TipAttributes

_HOUR = 3600
_DAY = 24 * _HOUR

constant: Factor[object] = Factor("1", lambda _: 1.0)
"""1, whatever the context or the tip."""

weekend: Factor[Reading] = Factor("weekend", lambda reading: 1.0 if reading.weekday >= 5 else 0.0)
"""1 on Saturday and Sunday, else 0."""

effort: Factor[TipAttributes] = Factor("(effort − 3) / 2", lambda tip: (tip.effort - 3.0) / 2.0)
"""-1 for the lightest tips (effort 1), 0 in the middle (3), 1 for the hardest (5)."""

duration: Factor[TipAttributes] = Factor(
    "(minutes − 10) / (minutes + 10)", lambda tip: (tip.minutes - 10.0) / (tip.minutes + 10.0)
)
"""-1 for no time at all, 0 for ten minutes, towards 1 for hours."""


def around(hour: int, reach: int) -> Factor[Reading]:
    """1 at this hour of the day, falling in a straight line to 0 `reach` hours before and after it."""

    def factor(reading: Reading) -> float:
        apart = abs(reading.second_of_day - hour * _HOUR)
        return max(0.0, 1.0 - min(apart, _DAY - apart) / (reach * _HOUR))

    return Factor(f"max(0, 1 − hours from {hour:02}:00 / {reach})", factor)


def level(name: str) -> Factor[Reading]:
    """A signal on its scale."""
    return Factor(name, lambda reading: reading.signals[name])


def contrast(high: str, low: str) -> Factor[Reading]:
    """Half the difference of two signals: 1 when the first is highest and the second lowest."""
    return Factor(f"({high} − {low}) / 2", lambda reading: (reading.signals[high] - reading.signals[low]) / 2)


def category(*names: str) -> Factor[TipAttributes]:
    """1 for tips of these categories, else 0."""
    return Factor(f"is {' or '.join(names)}", lambda tip: 1.0 if tip.category in names else 0.0)
