"""Epsilon-greedy: the best estimate so far, and with chance epsilon any candidate alike.

    score(x) = theta . x,   p(best) = 1 - epsilon + epsilon / k,   p(any other) = epsilon / k

Langford, Zhang: The epoch-greedy algorithm for contextual multi-armed bandits, NIPS 2007, with a constant epsilon;
Sutton, Barto: Reinforcement Learning, 2nd ed. 2018, section 2.2. `greedy` is the same rule for the sake of a baseline:
its epsilon is but the floor that every log needs, here it is all the exploring there is, and its default is higher.
"""

from ml.policies.choice import Choice
from ml.policies.draw import Draw
from ml.policies.greedy import greedy
from ml.policies.kernel import Array
from ml.policies.params import PolicyParams
from ml.policies.posterior import Posterior


def epsilon_greedy(params: PolicyParams, posterior: Posterior, x: Array, draw: Draw) -> Choice:
    """The highest mean, or with chance epsilon any candidate."""
    return greedy(params, posterior, x, draw)
