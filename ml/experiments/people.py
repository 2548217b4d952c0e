"""What is added up of an experiment's people, arm by arm: mean rewards a decision, with the doubt that comes from how
people differ, for people were randomised and their decisions were not."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

COUNTS = ("decisions", "reward", "decisions_before", "reward_before")
"""What is counted of a person, in the order of `Sums.total`: since the start, and in the weeks before it."""

PRIOR_PEOPLE, PRIOR_VARIANCE = 2.0, 0.25
"""Worth so many people of this variance (in squared reward) in every arm: an arm whose first people all reacted alike,
or not at all, is not taken to be free of doubt. It fades as people come."""


@dataclass(frozen=True, slots=True)
class Sample:
    """People of each arm, what they are measured by on average, and the variance of one person about that."""

    people: Floats
    mean: Floats
    variance: Floats


@dataclass(frozen=True, slots=True)
class Sums:
    """Over the people of each arm: how many, the sums of their `COUNTS` (4, arms, ...) and of the products of any two
    of them (4, 4, arms, ...). Further axes (moments, simulations) are carried through.
    """

    people: Floats
    total: Floats
    products: Floats

    def sample(self) -> Sample:
        """The reward a decision of each arm, R = Σ rᵢ / Σ kᵢ over its people.

        A ratio of sums over people: R − ρ ≈ Σ eᵢ / Σ kᵢ with eᵢ = rᵢ − R kᵢ, so that a person's variance is that of
        eᵢ over the mean of k (the delta method; Deng, Knoblich and Lu, "Applying the delta method in metric analytics",
        2018). That a person's decisions resemble each other is in eᵢ.
        """
        return Sample(self.people, self.ratio, self.variance(self.squares(self.ratio, 0)))

    @property
    def ratio(self) -> Floats:
        """Reward a decision since the start; 0 without one."""
        return np.asarray(self.total[1] / np.maximum(self.total[0], 1))

    def squares(self, ratio: Floats, first: int) -> Floats:
        """Σ (r − ratio·k)², since the start for `first` 0, before it for 2."""
        k, r = first, first + 1
        found = self.products[r, r] - 2 * ratio * self.products[k, r] + ratio**2 * self.products[k, k]
        return np.asarray(np.maximum(found, 0.0))

    def variance(self, squares: Floats) -> Floats:
        """The variance of one person's part in R when Σ eᵢ² is `squares`, drawn towards the prior."""
        mean = np.maximum(self.total[0], 1) / np.maximum(self.people, 1)
        freedom = np.maximum(self.people - 1, 0)
        return np.asarray((squares / mean**2 + PRIOR_PEOPLE * PRIOR_VARIANCE) / (freedom + PRIOR_PEOPLE))
