"""A policy's answer, and the exploration floor that gives every candidate a true propensity."""

from dataclasses import dataclass, replace

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


def choose_sampled(mean: Array, bonus: Array, score: Array, chances: Array, epsilon: float, draw: Draw) -> Choice:
    """As `choose`, when the scores are themselves one of many drawn before, under which each is best by `chances` (k,).

    A propensity is epsilon / k + (1 - epsilon) times the chance.
    """
    made = choose(mean, bonus, score, epsilon, draw)
    propensities = kernel.mixed(chances, epsilon)
    return replace(made, propensity=float(propensities[made.index]), propensities=propensities)


def choose_drawn(mean: Array, bonus: Array, score: Array, chances: Array, epsilon: float, draw: Draw) -> Choice:
    """With chance epsilon any of the k candidates alike, else one by its chance (k,), whichever scores best.

    A propensity is epsilon / k + (1 - epsilon) times the chance.
    """
    propensities = kernel.mixed(chances, epsilon)
    explored = draw.uniform() < epsilon
    index = draw.below(len(chances)) if explored else _at(chances, draw.uniform())
    return Choice(index, float(propensities[index]), explored, mean, bonus, score, propensities)


def _at(chances: Array, u: float) -> int:
    """The first candidate up to which the chances add up to more than u, in [0, 1)."""
    total, last = 0.0, 0
    for index, chance in enumerate(chances.tolist()):
        if chance > 0.0:
            total, last = total + chance, index
            if u < total:
                break
    return last
