"""LinUCB on two features, worked out by hand.

Two pulls: x = (1, 0) with reward 1.5 - 0.5 = 1 and x = (1, 1) with reward 0.5. With lambda = 1:

    S = (1 0)   (1 1)   (2 1)        A = I + S = (3 1)        A^-1 = 1/5 ( 2 -1)        c = 1 (1, 0) + 0.5 (1, 1)
        (0 0) + (1 1) = (1 1)                    (1 2)                   (-1  3)          = (1.5, 0.5)

    theta = A^-1 c = 1/5 (2 * 1.5 - 0.5, -1.5 + 3 * 0.5) = (0.5, 0)

x' A^-1 x is 2/5 for (1, 0), 3/5 for (0, 1) and (2 - 1 - 1 + 3)/5 = 3/5 for (1, 1); alpha = 0.5 halves its root.
"""

from math import sqrt

import numpy as np
import pytest

from ml.policies.params import PolicyParams
from ml.policies.posterior import Posterior, Prior, posterior
from ml.policies.registry import decide
from tests.policies.streams import sums

CANDIDATES = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
CERTAIN = PolicyParams(alpha=0.5, epsilon=0.0)


@pytest.fixture
def learned() -> Posterior:
    s, c = sums(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([1.0, 0.5]))
    return posterior(s, c, lam=1.0)


def test_theta_and_inverse_are_those_worked_out_by_hand(learned: Posterior) -> None:
    assert learned.theta == pytest.approx([0.5, 0.0], abs=1e-15)
    assert learned.inverse == pytest.approx(np.array([[0.4, -0.2], [-0.2, 0.6]]), abs=1e-15)


def test_linucb_adds_half_the_width_to_the_mean_and_takes_the_highest(learned: Posterior) -> None:
    choice = decide("linucb", CERTAIN, learned, CANDIDATES, "d1")
    bonus = [sqrt(0.4) / 2, sqrt(0.6) / 2, sqrt(0.6) / 2]
    assert choice.mean == pytest.approx([0.5, 0.0, 0.5], abs=1e-15)
    assert choice.bonus == pytest.approx(bonus, abs=1e-15)
    assert choice.score == pytest.approx([0.5 + bonus[0], bonus[1], 0.5 + bonus[2]], abs=1e-15)
    assert (choice.index, choice.propensity, choice.explored) == (2, 1.0, False)


def test_greedy_takes_the_first_of_the_highest_means(learned: Posterior) -> None:
    choice = decide("greedy", CERTAIN, learned, CANDIDATES, "d1")
    assert choice.score == pytest.approx([0.5, 0.0, 0.5], abs=1e-15)
    assert choice.bonus.tolist() == [0.0, 0.0, 0.0]
    assert choice.index == int(np.argmax(choice.score))


def test_random_ranks_none_above_another(learned: Posterior) -> None:
    choice = decide("random", CERTAIN, learned, CANDIDATES, "d1")
    assert choice.score.tolist() == [0.0, 0.0, 0.0]
    assert choice.propensities == pytest.approx([1 / 3] * 3)
    assert choice.explored


def test_before_any_pull_the_bonus_is_the_length_of_x_over_the_root_of_lambda() -> None:
    fresh = posterior(np.zeros((2, 2)), np.zeros(2), lam=4.0)
    choice = decide("linucb", PolicyParams(alpha=1.0, lam=4.0), fresh, CANDIDATES, "d1")
    assert choice.mean.tolist() == [0.0, 0.0, 0.0]
    assert choice.bonus == pytest.approx([0.5, 0.5, sqrt(2) / 2], abs=1e-15)


def test_a_models_prior_takes_the_place_of_lambda() -> None:
    """A0 = (3 1; 1 2), b0 = (1.5, 0.5) is what the two pulls above made of lambda = 1."""
    known = posterior(np.zeros((2, 2)), np.zeros(2), prior=Prior(np.array([[3.0, 1], [1, 2]]), np.array([1.5, 0.5])))
    assert known.theta == pytest.approx([0.5, 0.0], abs=1e-15)
    assert known.lam is None
    assert decide("linucb", CERTAIN, known, CANDIDATES, "d1").index == 2
