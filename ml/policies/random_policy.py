"""Random: every candidate alike, the baseline that learns nothing and whose log judges all others.

score(x) = 0, and each of k candidates has the propensity 1 / k.
"""

import numpy as np

from ml.policies import kernel
from ml.policies.choice import Choice, choose
from ml.policies.draw import Draw
from ml.policies.kernel import Array
from ml.policies.params import PolicyParams
from ml.policies.posterior import Posterior


def random(params: PolicyParams, posterior: Posterior, x: Array, draw: Draw) -> Choice:
    """The floor with epsilon = 1, whatever the parameters say; means are computed for readers of the log."""
    mean = kernel.mean(x, posterior.theta)
    return choose(mean, np.zeros(len(mean)), np.zeros(len(mean)), 1.0, draw)
