"""The standard normal numbers that lints samples with: one table for each d, the same on every machine for ever.

Marsaglia and Bray's polar method (SIAM Review 6(3), 1964) on a `Draw`: its only function beyond IEEE 754 arithmetic is
a logarithm, which `decimal` rounds correctly where the C library's may differ in the last bit.
"""

from decimal import Context, Decimal
from functools import lru_cache
from math import sqrt

import numpy as np

from ml.policies.draw import Draw
from ml.policies.kernel import Array

SAMPLES = 1024
"""How many samples a table has: a propensity p read from it is within sqrt(p (1 - p) / 1024) of ideal, one sigma."""

_EXACT = Context(prec=22)


@lru_cache(maxsize=8)
def normals(d: int) -> Array:
    """The table (SAMPLES, d), read-only; about 0.1 s for d = 16, once."""
    draw = Draw(f"tipstream.normals.v1/{d}".encode())
    numbers: list[float] = []
    while len(numbers) < SAMPLES * d:
        numbers += _pair(draw)
    table = np.array(numbers[: SAMPLES * d]).reshape(SAMPLES, d)
    table.flags.writeable = False
    return table


def _pair(draw: Draw) -> tuple[float, float]:
    """Two independent standard normal numbers."""
    while True:
        u, v = 2.0 * draw.uniform() - 1.0, 2.0 * draw.uniform() - 1.0
        square = u * u + v * v
        if 0.0 < square < 1.0:
            scale = sqrt(-2.0 * float(Decimal(square).ln(_EXACT)) / square)
            return u * scale, v * scale
