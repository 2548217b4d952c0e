"""CUPED: what people were like before the experiment is taken out of the difference, which narrows its interval."""

from dataclasses import dataclass

import numpy as np

from ml.experiments.people import Floats, Sample, Sums, variance

FEWEST = 50
"""People with decisions from before that the adjustment needs."""


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The arms after adjustment; `theta` and `spared`, the share of variance that is gone, have the sums' shape but
    for the arms; 0 where too few people are known from before."""

    sample: Sample
    theta: Floats
    spared: Floats


def adjusted(sums: Sums, fewest: int = FEWEST) -> Adjusted:
    """Each person's y replaced by y − θ (x − x̄), x their mean reward a decision before the experiment.

    θ = Σ (y − ȳ)(x − x̄) / Σ (x − x̄)², deviations taken within arms and added up over them, is the θ of least variance;
    since x comes from before, it is the same in every arm but by chance, and the difference keeps its expectation
    (Deng, Xu, Kohavi and Walker, "Improving the sensitivity of online controlled experiments by utilizing
    pre-experiment data", 2013). Who has no x gets x̄: they are left as they are.
    """
    people, known = np.maximum(sums.people, 1), sums.known.sum(axis=0)
    centre = sums.x.sum(axis=0) / np.maximum(known, 1)
    z = sums.x - sums.known * centre
    s_zz = sums.xx - 2 * centre * sums.x + sums.known * centre**2 - z**2 / people
    s_yz = sums.xy - centre * sums.y_known - sums.y * z / people
    s_yy = sums.yy - sums.y**2 / people
    scatter = s_zz.sum(axis=0)
    usable = (known >= fewest) & (scatter > 1e-9)
    theta = np.where(usable, s_yz.sum(axis=0) / np.where(usable, scatter, 1.0), 0.0)
    squares = s_yy - 2 * theta * s_yz + theta**2 * s_zz
    total = np.maximum(s_yy.sum(axis=0), 1e-12)
    spared = np.where(usable, 1 - squares.sum(axis=0) / total, 0.0)
    return Adjusted(Sample(sums.people, (sums.y - theta * z) / people, variance(sums.people, squares)), theta, spared)
