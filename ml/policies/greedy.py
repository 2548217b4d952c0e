"""Greedy: the best estimate so far, the baseline without a bonus.

score(x) = theta . x
"""

import numpy as np

from ml.policies import kernel
from ml.policies.choice import Choice, choose
from ml.policies.draw import Draw
from ml.policies.kernel import Array
from ml.policies.params import PolicyParams
from ml.policies.posterior import Posterior


def greedy(params: PolicyParams, posterior: Posterior, x: Array, draw: Draw) -> Choice:
    """The highest mean, above the exploration floor."""
    mean = kernel.mean(x, posterior.theta)
    return choose(mean, np.zeros(len(mean)), mean, params.epsilon, draw)
