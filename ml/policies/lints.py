"""LinTS, linear Thompson sampling: the best candidate under one theta sampled from what is believed.

    score(x) = theta~ . x,   theta~ ~ N(theta, nu^2 A^-1)

Agrawal, Goyal: Thompson sampling for contextual bandits with linear payoffs, ICML 2013, arXiv:1209.3352, Algorithm 1.
With A^-1 = L^-T L^-1 a sample is theta + nu L^-T z for a standard normal z, so score = theta . x + nu z . (L^-1 x): the
mean and, logged as the bonus, what the sample adds to it, which may be negative.

z is one of the M = 1024 rows of a fixed table, and the decision's own draw says which. Each row being as likely, a
candidate's chance is the share of rows under which it scores best: the propensity is exact for what is done here.
Against sampling from the whole normal distribution it is off by sqrt(p (1 - p) / M), at most 0.016 (one sigma).
"""

from ml.policies import kernel
from ml.policies.choice import Choice, choose_sampled
from ml.policies.draw import Draw
from ml.policies.kernel import Array
from ml.policies.normals import SAMPLES, normals
from ml.policies.params import PolicyParams
from ml.policies.posterior import Posterior


def lints(params: PolicyParams, posterior: Posterior, x: Array, draw: Draw) -> Choice:
    """The best score under a drawn row of the table, above the exploration floor."""
    drawn, table = draw.below(SAMPLES), normals(x.shape[1])
    rows, wins = kernel.sampled(x, posterior.theta, posterior.root, params.nu, table, drawn)
    mean, bonus, score = rows
    return choose_sampled(mean, bonus, score, wins / SAMPLES, params.epsilon, draw)
