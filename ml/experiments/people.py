"""What is added up of an experiment's people, arm by arm. A person counts once, with their mean reward a decision:
people were randomised, their decisions were not.

Arrays have the arms along their first axis; further axes (moments, simulations) are carried through.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRIOR_PEOPLE, PRIOR_VARIANCE = 2.0, 0.25
"""Worth so many people of this variance (in squared reward) in every arm: an arm whose first people all reacted alike,
or not at all, is not taken to be free of doubt. It fades as people come."""


@dataclass(frozen=True, slots=True)
class Sample:
    """People of each arm, and the mean and the variance of what they are measured by."""

    people: Floats
    mean: Floats
    variance: Floats


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over an arm's people: y is a person's mean reward a decision since they came in, x the one before.

    `known` counts those with an x; `x`, `xx`, `xy` and `y_known` add up only those.
    """

    people: Floats
    y: Floats
    yy: Floats
    known: Floats
    x: Floats
    xx: Floats
    xy: Floats
    y_known: Floats

    def sample(self) -> Sample:
        """Mean and variance of y."""
        mean = self.y / np.maximum(self.people, 1)
        return Sample(self.people, mean, variance(self.people, self.yy - self.y * mean))


def variance(people: Floats, squares: Floats) -> Floats:
    """The variance of people whose squared deviations add up to `squares`, drawn towards the prior."""
    return (np.maximum(squares, 0.0) + PRIOR_PEOPLE * PRIOR_VARIANCE) / (np.maximum(people - 1, 0) + PRIOR_PEOPLE)
