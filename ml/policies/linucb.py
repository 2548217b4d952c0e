"""LinUCB: the most promising candidate, where doubt counts as promise.

    score(x) = theta . x + alpha sqrt(x' A^-1 x),   A = lambda I + Σ x x',   theta = A^-1 Σ r x

Li, Chu, Langford, Schapire: A contextual-bandit approach to personalized news article recommendation, WWW
2010, arXiv:1003.0146, Algorithm 1; one theta is shared by all tips, since a tip's attributes are in its x.
"""

from ml.policies import kernel
from ml.policies.choice import Choice, choose
from ml.policies.draw import Draw
from ml.policies.kernel import Array
from ml.policies.params import PolicyParams
from ml.policies.posterior import Posterior


def linucb(params: PolicyParams, posterior: Posterior, x: Array, draw: Draw) -> Choice:
    """The upper confidence bound, above the exploration floor."""
    mean, bonus, score = kernel.upper_bounds(x, posterior.theta, posterior.root, params.alpha)
    return choose(mean, bonus, score, params.epsilon, draw)
