"""The policies by the name that the log gives them, and the one call that decides."""

from typing import Protocol

import numpy as np

from contracts.errors import TipstreamError
from contracts.feature_sets import DIMENSIONS
from ml.policies import kernel
from ml.policies.choice import Choice
from ml.policies.draw import Draw, draw_of
from ml.policies.epsilon_greedy import epsilon_greedy
from ml.policies.greedy import greedy
from ml.policies.kernel import Array
from ml.policies.lints import lints
from ml.policies.linucb import linucb
from ml.policies.normals import normals
from ml.policies.params import ParamsError, PolicyParams
from ml.policies.posterior import Posterior
from ml.policies.random_policy import random
from ml.policies.softmax import softmax


class Policy(Protocol):
    """A rule that chooses one row of x (k, d): pure, all its chance comes from the draw."""

    def __call__(self, params: PolicyParams, posterior: Posterior, x: Array, draw: Draw, /) -> Choice: ...


class UnknownPolicy(TipstreamError):
    """No policy has this name."""


class CandidatesError(TipstreamError):
    """The candidate matrix can't be decided on: it has no row, or another width than the posterior."""


POLICIES: dict[str, Policy] = {
    "linucb": linucb,
    "lints": lints,
    "epsilon_greedy": epsilon_greedy,
    "softmax": softmax,
    "greedy": greedy,
    "random": random,
}

RULES = {
    "linucb": "The highest score is shown. The bonus is alpha times the standard deviation of the mean: doubt counts "
    "as promise.",
    "lints": "The highest score under one sampled theta is shown. The bonus is what the sample adds to the mean, below "
    "zero as often as above; the propensity is the share of the 1,024 samples that a draw may fall on under which this "
    "tip is best.",
    "epsilon_greedy": "The highest mean is shown, or with chance epsilon any tip. There is no bonus.",
    "softmax": "A tip is drawn, the likelier the higher its mean, so the highest score need not be the one shown. "
    "There is no bonus.",
    "greedy": "The highest mean is shown, above the floor of epsilon. There is no bonus.",
    "random": "Every tip is as likely as any other: scores are zero, means are only shown.",
}
"""How each policy chooses, for people who look at a decision."""


def decide(policy: str, params: PolicyParams, posterior: Posterior, x: Array, decision_id: str) -> Choice:
    """The named policy's choice among the rows of x (k, d), k >= 1; the same arguments give the same bits.

    Raises UnknownPolicy, CandidatesError, and ParamsError when the posterior was made with another lambda.
    """
    if policy not in POLICIES:
        raise UnknownPolicy(f"policy {policy!r} is unknown; there are {', '.join(POLICIES)}")
    if x.ndim != 2 or len(x) == 0 or x.shape[1] != len(posterior.theta):
        raise CandidatesError(f"candidates must be (k >= 1, {len(posterior.theta)}), they are {x.shape}")
    if posterior.lam not in (None, params.lam):
        raise ParamsError("lambda", f"is {params.lam:g}, but the posterior was made with {posterior.lam:g}")
    matrix = np.ascontiguousarray(x, dtype=np.float64)
    return POLICIES[policy](params, posterior, matrix, draw_of(decision_id))


def warm_up() -> None:
    """Compile the kernels and make the tables of every feature set, before the first call counts."""
    kernel.warm_up()
    for d in DIMENSIONS.values():
        normals(d)
