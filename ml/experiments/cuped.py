"""CUPED: what people were like before the experiment is taken out of the difference, which narrows its interval."""

from dataclasses import dataclass

import numpy as np

from ml.experiments.people import Floats, Sample, Sums

FEWEST = 100
"""Decisions from before that the adjustment needs."""


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The arms after adjustment; `theta` and `spared`, the share of variance that is gone, have the sums' shape but
    for the arms; both are 0 where too little is known from before."""

    sample: Sample
    theta: Floats
    spared: Floats


def adjusted(sums: Sums, fewest: int = FEWEST) -> Adjusted:
    """Each person's e = r − R k (see `Sums.sample`) replaced by e − θ (z − z̄), with z = r' − R' k' of the weeks before:
    R' is everybody's reward a decision then, and z̄ the mean over all people, 0.

    θ = Σ e z / Σ (z − z̄ of the arm)², added up over arms, is the θ of least variance. Since z comes from before, its
    mean is the same in every arm but by chance, and the difference keeps its expectation; R becomes R − θ Σ z / Σ k
    (Deng, Xu, Kohavi and Walker, "Improving the sensitivity of online controlled experiments by utilizing
    pre-experiment data", 2013). Who was not there before has z = 0 and is left as they are.
    """
    people, decisions = np.maximum(sums.people, 1), np.maximum(sums.total[0], 1)
    known = sums.total[2].sum(axis=0)
    before = sums.total[3].sum(axis=0) / np.maximum(known, 1)
    z = sums.total[3] - before * sums.total[2]
    zz = sums.squares(before, 2) - z**2 / people
    products, ratio = sums.products, sums.ratio
    ez = products[1, 3] - before * products[1, 2] - ratio * (products[0, 3] - before * products[0, 2])
    ee = sums.squares(ratio, 0)
    scatter = zz.sum(axis=0)
    usable = (known >= fewest) & (scatter > 1e-9)
    theta = np.where(usable, ez.sum(axis=0) / np.where(usable, scatter, 1.0), 0.0)
    squares = np.maximum(ee - 2 * theta * ez + theta**2 * zz, 0.0)
    spared = np.where(usable, 1 - squares.sum(axis=0) / np.maximum(ee.sum(axis=0), 1e-12), 0.0)
    sample = Sample(sums.people, ratio - theta * z / decisions, sums.variance(squares))
    return Adjusted(sample, theta, spared)
