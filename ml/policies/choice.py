"""A policy's answer, and the exploration floor that gives every candidate a true propensity."""

from dataclasses import dataclass

from ml.policies import kernel
from ml.policies.draw import Draw
from ml.policies.kernel import Array


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Which candidate was chosen and why; `mean`, `bonus`, `score` and `propensities` are (k,), parallel.

    `propensity` is the chosen one's chance before the draw, `explored` whether the floor drew it.
    """

    index: int
    propensity: float
    explored: bool
    mean: Array
    bonus: Array
    score: Array
    propensities: Array


def choose(mean: Array, bonus: Array, score: Array, epsilon: float, draw: Draw) -> Choice:
    """With chance epsilon any of the k candidates alike, else the best score, the first of equals.

    The best one's propensity is 1 - epsilon + epsilon / k, every other's epsilon / k.
    """
    best, propensities = kernel.floor(score, epsilon)
    explored = draw.uniform() < epsilon
    index = draw.below(len(score)) if explored else best
    return Choice(index, float(propensities[index]), explored, mean, bonus, score, propensities)
