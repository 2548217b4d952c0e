"""Logged decisions made by hand, or simulated with a world whose truth is known."""

from collections.abc import Sequence

import numpy as np
from numpy.random import PCG64, Generator

from ml.evaluation.evidence import Array, Decisions, Evidence


def decisions(
    reward: Sequence[float],
    logged: Sequence[float],
    target: Sequence[float],
    *,
    x: Array | None = None,
    expected_x: Array | None = None,
    unsupported: float = 0.0,
    uniform: Sequence[bool] | None = None,
    agrees: Sequence[bool] | None = None,
) -> Decisions:
    """Decisions with x = 0 where nothing else is said: a reward model that knows nothing."""
    n = len(reward)
    nothing = np.zeros((n, 1))
    return Decisions(
        reward=np.array(reward, dtype=np.float64),
        logged=np.array(logged, dtype=np.float64),
        target=np.array(target, dtype=np.float64),
        x=nothing if x is None else x,
        expected_x=(nothing if x is None else np.zeros_like(x)) if expected_x is None else expected_x,
        unsupported=np.full(n, unsupported),
        uniform=np.array([False] * n if uniform is None else uniform, dtype=np.bool_),
        agrees=np.array([False] * n if agrees is None else agrees, dtype=np.bool_),
    )


def evidence(*parts: Decisions) -> Evidence:
    """The evidence of parts of a log."""
    found = Evidence(parts[0].x.shape[1])
    for part in parts:
        found.add(part)
    return found


def alternating(n: int, reward: float, target_of_first: float) -> Decisions:
    """Two tips shown in turn by a fair coin; the first earns `reward`, the second nothing."""
    first = [place % 2 == 0 for place in range(n)]
    return decisions(
        [reward if is_first else 0.0 for is_first in first],
        [0.5] * n,
        [target_of_first if is_first else 1.0 - target_of_first for is_first in first],
    )


def chance(seed: int) -> Generator:
    """A generator with a pinned seed."""
    return Generator(PCG64(seed))
