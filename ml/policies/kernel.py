"""The arithmetic behind every score, compiled by numba: factorise a person's matrix, then score candidates.

Each number comes from a fixed sequence of IEEE 754 additions, multiplications, divisions and square roots: no
fastmath, no BLAS, no sum whose order depends on how many candidates there are. So one candidate has the same
bits alone and among a thousand. Candidates are the innermost loop, where the compiler may use vector
instructions without changing that order.
"""

from platform import machine
from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

KERNEL = f"cholesky.v1/{machine().lower()}"
"""Logged with every score; the architecture is part of it because some compilers fuse a multiplication and an
addition where the machine can. Whoever changes an operation below counts the version up.
"""


@njit(cache=True, error_model="numpy")
def factorise(a: Array, b: Array) -> tuple[bool, Array, Array]:
    """A = L L' (Cholesky): L^-1 (d, d) and theta = A^-1 b (d,), or False when A is not positive definite.

    Reads only the lower triangle of A (d, d).
    """
    d = a.shape[0]
    lower = np.zeros((d, d))
    root = np.zeros((d, d))
    theta = np.zeros(d)
    for j in range(d):
        for i in range(j, d):
            left = a[i, j]
            for m in range(j):
                left -= lower[i, m] * lower[j, m]
            if i > j:
                lower[i, j] = left / lower[j, j]
            elif 0.0 < left < np.inf:
                lower[j, j] = np.sqrt(left)
            else:
                return False, root, theta
    for j in range(d):
        root[j, j] = 1.0 / lower[j, j]
        for i in range(j + 1, d):
            left = 0.0
            for m in range(j, i):
                left -= lower[i, m] * root[m, j]
            root[i, j] = left / lower[i, i]
    forward = np.zeros(d)
    for i in range(d):
        left = b[i]
        for m in range(i):
            left -= lower[i, m] * forward[m]
        forward[i] = left / lower[i, i]
    for back in range(d):
        i = d - 1 - back
        left = forward[i]
        for m in range(i + 1, d):
            left -= lower[m, i] * theta[m]
        theta[i] = left / lower[i, i]
    return True, root, theta


@njit(cache=True, error_model="numpy")
def mean(x: Array, theta: Array) -> Array:
    """theta . x of each row of x (k, d): (k,)."""
    k, d = x.shape
    means = np.zeros(k)
    for j in range(d):
        for c in range(k):
            means[c] += x[c, j] * theta[j]
    return means


@njit(cache=True, error_model="numpy")
def upper_bounds(x: Array, theta: Array, root: Array, alpha: float) -> Array:
    """Three rows (3, k) for the rows of x (k, d): mean, bonus and their sum.

    mean = theta . x and bonus = alpha sqrt(x' A^-1 x) = alpha |root x|, since A^-1 = root' root.
    """
    k, d = x.shape
    columns = np.empty((d, k))
    for c in range(k):
        for j in range(d):
            columns[j, c] = x[c, j]
    rows = np.zeros((3, k))
    means, squares, part = rows[0], rows[1], rows[2]
    for i in range(d):
        for c in range(k):
            means[c] += columns[i, c] * theta[i]
            part[c] = 0.0
        for j in range(i + 1):
            weight = root[i, j]
            for c in range(k):
                part[c] += columns[j, c] * weight
        for c in range(k):
            squares[c] += part[c] * part[c]
    for c in range(k):
        rows[1, c] = alpha * np.sqrt(squares[c])
        rows[2, c] = means[c] + rows[1, c]
    return rows


@njit(cache=True, error_model="numpy")
def floor(score: Array, epsilon: float) -> tuple[int, Array]:
    """The first of the best scores, and all propensities (k,) when chance epsilon is shared among all alike."""
    k = len(score)
    best = 0
    propensities = np.empty(k)
    for c in range(k):
        propensities[c] = epsilon / k
        if score[c] > score[best]:
            best = c
    propensities[best] += 1.0 - epsilon
    return best, propensities


@njit(cache=True, error_model="numpy")
def sampled(x: Array, theta: Array, root: Array, nu: float, normals: Array, drawn: int) -> tuple[Array, Array]:
    """Scores of x (k, d) under each row z of normals (m, d): theta . x + nu z . (root x).

    Gives three rows (3, k) under the row `drawn`: mean, what the sample adds, and their sum; and under how many rows
    each candidate is the first of the best (k,).
    """
    k, d = x.shape
    columns = np.empty((d, k))
    for c in range(k):
        for j in range(d):
            columns[j, c] = x[c, j]
    rows = np.zeros((3, k))
    parts = np.zeros((d, k))
    for i in range(d):
        for c in range(k):
            rows[0, c] += columns[i, c] * theta[i]
        for j in range(i + 1):
            weight = root[i, j]
            for c in range(k):
                parts[i, c] += columns[j, c] * weight
    wins = np.zeros(k)
    added = np.empty(k)
    for m in range(normals.shape[0]):
        added[:] = 0.0
        for i in range(d):
            z = normals[m, i]
            for c in range(k):
                added[c] += parts[i, c] * z
        best, highest = 0, -np.inf
        for c in range(k):
            score = rows[0, c] + nu * added[c]
            if score > highest:
                best, highest = c, score
        wins[best] += 1.0
        if m == drawn:
            for c in range(k):
                rows[1, c] = nu * added[c]
                rows[2, c] = rows[0, c] + rows[1, c]
    return rows, wins


@njit(cache=True, error_model="numpy")
def exp(value: float) -> float:
    """e^value for value <= 0, within 2 units in the last place; below e^-700 it is 0.

    The C library's differs from machine to machine. value = n ln 2 + r with |r| <= ln 2 / 2, and e^r is its
    Taylor series up to r^13 / 13!, whose rest is below 2^-53.
    """
    if value < -700.0:
        return 0.0
    n = np.floor(value * 1.4426950408889634 + 0.5)
    r = (value - n * 0.6931471803691238) - n * 1.9082149292705877e-10
    total = 1.0
    for term in range(13, 0, -1):
        total = 1.0 + r / term * total
    for _ in range(int(-n)):
        total *= 0.5
    return total


@njit(cache=True, error_model="numpy")
def softmax(score: Array, temperature: float) -> Array:
    """exp(score / temperature) of each (k,), as shares of their sum."""
    k = len(score)
    best = score[0]
    for c in range(k):
        best = max(best, score[c])
    shares = np.empty(k)
    total = 0.0
    for c in range(k):
        shares[c] = exp((score[c] - best) / temperature)
        total += shares[c]
    for c in range(k):
        shares[c] /= total
    return shares


@njit(cache=True, error_model="numpy")
def mixed(chances: Array, epsilon: float) -> Array:
    """Chances (k,) with chance epsilon shared among all alike."""
    k = len(chances)
    propensities = np.empty(k)
    for c in range(k):
        propensities[c] = epsilon / k + (1.0 - epsilon) * chances[c]
    return propensities


def warm_up() -> None:
    """Compiles the kernels, or loads them from numba's cache (NUMBA_CACHE_DIR), before the first call counts."""
    one = np.ones((1, 1))
    _, root, theta = factorise(one, one[0])
    floor(mean(one, theta), 0.0)
    for bound in upper_bounds(one, theta, root, 1.0):
        floor(bound, 0.0)
    # A row of the rows is another type to the compiler than an array of its own; so is what can't be written to.
    fixed = np.ones((1, 1))
    fixed.flags.writeable = False
    rows, wins = sampled(one, theta, root, 1.0, fixed, 0)
    floor(rows[2], 0.0)
    mixed(wins, 0.0)
    mixed(softmax(mean(one, theta), 1.0), 0.0)
