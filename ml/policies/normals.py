"""The standard normal numbers that lints samples with: one table for each d, the same on every machine for ever.

Marsaglia and Bray's polar method (SIAM Review 6(3), 1964) on a `Draw`: its only function beyond IEEE 754 arithmetic is
a logarithm, which is rounded correctly here where the C library's may differ in the last bit.
"""

from decimal import Context, Decimal
from functools import lru_cache

import numpy as np

from ml.policies.draw import Draw
from ml.policies.kernel import Array

SAMPLES = 1024
"""How many samples a table has: a propensity p read from it is within sqrt(p (1 - p) / 1024) of ideal, one sigma.

An even number, since they come in pairs."""

_EXACT = Context(prec=22)
WIDE = np.finfo(np.longdouble).nmant >= 63
"""Whether there are 80-bit floats; on some machines a long double is a double."""


@lru_cache(maxsize=8)
def normals(d: int) -> Array:
    """The table (SAMPLES, d), read-only; about 0.01 s for d = 16, once."""
    draw = Draw(f"tipstream.normals.v1/{d}".encode())
    points = np.array([_point(draw) for _ in range(SAMPLES * d // 2)])
    squares = points[:, 0] * points[:, 0] + points[:, 1] * points[:, 1]
    scales = np.sqrt(-2.0 * logarithms(squares) / squares)
    table: Array = (points * scales[:, None]).reshape(SAMPLES, d)
    table.flags.writeable = False
    return table


def _point(draw: Draw) -> tuple[float, float]:
    """A point within the unit circle, but for its centre."""
    while True:
        u, v = 2.0 * draw.uniform() - 1.0, 2.0 * draw.uniform() - 1.0
        if 0.0 < u * u + v * v < 1.0:
            return u, v


def logarithms(numbers: Array, wide: bool = WIDE) -> Array:
    """The natural logarithm of each, rounded correctly.

    `decimal` takes the time of a hundred 80-bit logarithms, so it is asked only where such a one, which is right to
    some 2^-63 of itself, might round to either side: for one in forty.
    """
    found = np.log(numbers.astype(np.longdouble))
    doubt = np.abs(found) * 2.0**-59
    unsure = (found - doubt).astype(np.float64) != (found + doubt).astype(np.float64) if wide else np.isfinite(found)
    rounded = found.astype(np.float64)
    rounded[unsure] = [float(Decimal(number).ln(_EXACT)) for number in numbers[unsure].tolist()]
    return rounded
