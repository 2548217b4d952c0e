"""lints, epsilon_greedy and softmax: hand-computed numbers, and propensities that are what they say."""

from decimal import Context, Decimal
from hashlib import sha256
from math import erf, exp, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.policies import kernel
from ml.policies.draw import draw_of
from ml.policies.normals import SAMPLES, WIDE, logarithms, normals
from ml.policies.params import PolicyParams
from ml.policies.posterior import Posterior, posterior
from ml.policies.registry import POLICIES, decide
from tests.policies.streams import observations, seeds, steady, sums

CANDIDATES = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
GOLDEN = "ef258d7d582c2f6545d0bf9c9ba977e1d4e5c8c876d77ce9153226119e224ae4"
"""SHA-256 of the table for d = 16: decisions of logs that exist were drawn from it."""


@pytest.fixture
def learned() -> Posterior:
    """A = (3 1; 1 2) and b = (1.5, 0.5), so theta = (0.5, 0), L = (√3 0; 1/√3 √(5/3))."""
    return posterior(np.array([[2.0, 1], [1, 1]]), np.array([1.5, 0.5]))


def test_lints_scores_by_the_theta_of_the_row_that_the_draw_says(learned: Posterior) -> None:
    z = normals(2)[draw_of("d1").below(SAMPLES)]
    lower = np.linalg.cholesky(np.array([[3.0, 1], [1, 2]]))
    theta = np.array([0.5, 0.0]) + 0.25 * np.linalg.solve(lower.T, z)
    choice = decide("lints", PolicyParams(nu=0.25, epsilon=0.0), learned, CANDIDATES, "d1")
    assert choice.mean == pytest.approx([0.5, 0.0, 0.5], abs=1e-15)
    assert choice.score == pytest.approx(CANDIDATES @ theta, abs=1e-12)
    assert choice.bonus == pytest.approx(choice.score - choice.mean, abs=1e-12)
    assert choice.index == int(np.argmax(CANDIDATES @ theta))
    assert not choice.explored


def test_the_propensities_of_lints_are_the_shares_of_the_table(learned: Posterior) -> None:
    lower = np.linalg.cholesky(np.array([[3.0, 1], [1, 2]]))
    thetas = np.array([0.5, 0.0]) + 0.4 * np.linalg.solve(lower.T, normals(2).T).T
    shares = np.bincount((thetas @ CANDIDATES.T).argmax(axis=1), minlength=3) / SAMPLES
    choice = decide("lints", PolicyParams(nu=0.4, epsilon=0.3), learned, CANDIDATES, "d1")
    assert choice.propensities == pytest.approx(0.1 + 0.7 * shares, abs=1e-15)


def test_the_shares_of_lints_are_those_of_the_normal_distribution_within_their_stated_error() -> None:
    """Two tips apart: the first wins when N(m1 - m2, nu² (v1 + v2)) is above zero."""
    state = posterior(np.diag([3.0, 8.0]), np.array([1.0, 1.5]))
    choice = decide("lints", PolicyParams(nu=0.5, epsilon=0.0), state, np.eye(2), "d")
    apart, spread = 1 / 4 - 1.5 / 9, 0.5 * sqrt(1 / 4 + 1 / 9)
    ideal = (1 + erf(apart / spread / sqrt(2))) / 2
    assert abs(choice.propensities[0] - ideal) <= 3 * sqrt(ideal * (1 - ideal) / SAMPLES)


def test_without_doubt_lints_is_greedy(learned: Posterior) -> None:
    choice = decide("lints", PolicyParams(nu=0.0, epsilon=0.0), learned, CANDIDATES, "d1")
    assert choice.propensity == 1.0
    assert choice.index == int(np.argmax(choice.mean))


def test_epsilon_greedy_takes_the_best_mean_and_shares_epsilon(learned: Posterior) -> None:
    choice = decide("epsilon_greedy", PolicyParams(epsilon=0.3), learned, np.eye(2), "d1")
    assert choice.score == pytest.approx([0.5, 0.0], abs=1e-15)
    assert choice.propensities == pytest.approx([0.85, 0.15])


def test_softmax_draws_in_proportion_to_the_exponential_of_the_mean(learned: Posterior) -> None:
    choice = decide("softmax", PolicyParams(temperature=0.25, epsilon=0.1), learned, np.eye(2), "d1")
    ours = exp(2.0) / (exp(2.0) + 1.0)
    assert choice.score.tolist() == choice.mean.tolist()
    assert choice.propensities == pytest.approx([0.05 + 0.9 * ours, 0.05 + 0.9 * (1 - ours)], abs=1e-12)


@pytest.mark.parametrize("policy", ["lints", "epsilon_greedy", "softmax"])
@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_over_many_decisions_each_candidate_is_shown_as_often_as_its_propensity_says(
    policy: str, epsilon: float
) -> None:
    n, k = 20_000, 5
    state = posterior(*sums(*observations(1, 30, 16)))
    x, _ = observations(2, k, 16)
    params = PolicyParams(epsilon=epsilon, temperature=0.5, nu=1.0)
    choices = [decide(policy, params, state, x, f"decision-{number}") for number in range(n)]
    chance = choices[0].propensities
    assert all(choice.propensities.tobytes() == chance.tobytes() for choice in choices)
    assert all(choice.propensity == chance[choice.index] for choice in choices)
    shown = np.bincount([choice.index for choice in choices], minlength=k) / n
    assert (np.abs(shown - chance) <= 4 * np.sqrt(chance * (1 - chance) / n)).all()
    assert np.mean([choice.explored for choice in choices]) == pytest.approx(epsilon, abs=0.02)


@pytest.mark.parametrize("policy", POLICIES)
@given(seed=seeds, k=st.integers(1, 30), epsilon=st.floats(0, 1))
@steady
def test_propensities_sum_to_one_and_keep_the_floor(policy: str, seed: int, k: int, epsilon: float) -> None:
    state = posterior(*sums(*observations(seed, 20, 8)))
    x, _ = observations(seed + 1, k, 8)
    choice = decide(policy, PolicyParams(epsilon=epsilon), state, x, f"decision-{seed}")
    floor = 1.0 if policy == "random" else epsilon
    assert choice.propensities.sum() == pytest.approx(1.0, abs=1e-12)
    assert choice.propensities.min() >= floor / k * (1 - 1e-12)
    assert choice.propensity == choice.propensities[choice.index] > 0.0


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20), st.floats(1e-3, 1e3))
@steady
def test_softmax_is_the_textbook_s(score: list[float], temperature: float) -> None:
    weights = np.exp((np.array(score) - max(score)) / temperature)
    assert kernel.softmax(np.array(score), temperature) == pytest.approx(weights / weights.sum(), rel=1e-12, abs=1e-300)


def test_our_exponential_is_within_two_units_of_the_last_place() -> None:
    values = -np.logspace(-12, 2.84, 20_000)
    ours = np.array([kernel.exp(value) for value in values])
    assert (np.abs(ours - np.exp(values)) <= 2 * np.spacing(np.exp(values))).all()
    assert (kernel.exp(0.0), kernel.exp(-1e6)) == (1.0, 0.0)


def test_the_table_is_normal_and_stays_the_same_for_ever() -> None:
    table = normals(16)
    assert sha256(table.tobytes()).hexdigest() == GOLDEN
    assert abs(table.mean()) < 4 / sqrt(table.size)
    assert np.abs(np.corrcoef(table.T) - np.eye(16)).max() < 4.5 / sqrt(SAMPLES)
    inside = [(np.abs(table) < sigmas).mean() for sigmas in (1, 2, 3)]
    assert inside == pytest.approx([0.6827, 0.9545, 0.9973], abs=0.01)
    with pytest.raises(ValueError, match="read-only"):
        table[0, 0] = 0.0


@pytest.mark.parametrize("wide", [True, False])
def test_logarithms_are_rounded_correctly_where_others_are_not(wide: bool) -> None:
    """The first of these come out otherwise by way of 80 bits of glibc's, and some by its 64."""
    numbers = [0.25932, 0.26664, 0.2963, 0.30601, 0.33618, 0.39548, 0.52936, 0.58329, 2.0**-100, 1 - 2.0**-53]
    exact = Context(prec=60)
    if wide and not WIDE:
        pytest.skip("a long double is a double here")
    assert logarithms(np.array(numbers), wide).tolist() == [float(Decimal(one).ln(exact)) for one in numbers]
