"""The policies by the name that the log gives them, and the one call that decides."""

from typing import Protocol

import numpy as np

from contracts.errors import TipstreamError
from ml.policies.choice import Choice
from ml.policies.draw import Draw, draw_of
from ml.policies.greedy import greedy
from ml.policies.kernel import Array
from ml.policies.linucb import linucb
from ml.policies.params import ParamsError, PolicyParams
from ml.policies.posterior import Posterior
from ml.policies.random_policy import random


class Policy(Protocol):
    """A rule that chooses one row of x (k, d): pure, all its chance comes from the draw."""

    def __call__(self, params: PolicyParams, posterior: Posterior, x: Array, draw: Draw, /) -> Choice: ...


class UnknownPolicy(TipstreamError):
    """No policy has this name."""


class CandidatesError(TipstreamError):
    """The candidate matrix can't be decided on: it has no row, or another width than the posterior."""


POLICIES: dict[str, Policy] = {"linucb": linucb, "greedy": greedy, "random": random}


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
