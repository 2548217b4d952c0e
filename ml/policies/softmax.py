"""Softmax: each candidate with a chance that grows with its estimate (Boltzmann exploration).

    score(x) = theta . x,   p(x) = exp(score(x) / temperature) / Σ exp(score / temperature)

Sutton: Integrated architectures for learning, planning, and reacting based on approximating dynamic programming, ICML
1990; Cesa-Bianchi, Gentile, Lugosi, Neu: Boltzmann exploration done right, NIPS 2017, arXiv:1705.10257, on what a
constant temperature can't do: it never becomes certain, and pays no heed to how often a candidate was tried.
"""

import numpy as np

from ml.policies import kernel
from ml.policies.choice import Choice, choose_drawn
from ml.policies.draw import Draw
from ml.policies.kernel import Array
from ml.policies.params import PolicyParams
from ml.policies.posterior import Posterior


def softmax(params: PolicyParams, posterior: Posterior, x: Array, draw: Draw) -> Choice:
    """A candidate drawn in proportion, above the exploration floor."""
    mean = kernel.mean(x, posterior.theta)
    chances = kernel.softmax(mean, params.temperature)
    return choose_drawn(mean, np.zeros(len(mean)), mean, chances, params.epsilon, draw)
