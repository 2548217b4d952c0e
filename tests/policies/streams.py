"""Streams of observations to learn from, pinned by their seed."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from ml.policies.kernel import Array

steady = settings(deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def observations(seed: int, n: int, d: int) -> tuple[Array, Array]:
    """n contexts in [-1, 1], (n, d), and their rewards, (n,)."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return rng.uniform(-1, 1, (n, d)), rng.choice([-0.5, -0.25, 0.0, 0.5, 1.0, 1.5], n)


def sums(x: Array, r: Array) -> tuple[Array, Array]:
    """S = Σ x x' and c = Σ r x, one observation after the other."""
    d = x.shape[1]
    s, c = np.zeros((d, d)), np.zeros(d)
    for one, reward in zip(x, r, strict=True):
        s += np.outer(one, one)
        c += reward * one
    return s, c
