"""The exploration floor: what is logged as a propensity is the true chance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.policies.choice import choose
from ml.policies.draw import draw_of
from ml.policies.kernel import Array
from ml.policies.params import ParamsError, PolicyParams
from ml.policies.posterior import posterior
from ml.policies.registry import POLICIES, CandidatesError, UnknownPolicy, decide
from tests.policies.streams import observations, seeds, steady, sums

scores = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=50).map(np.array)
epsilons = st.floats(0, 1)
ids = st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable())


@given(scores, epsilons, ids)
@steady
def test_propensities_sum_to_one_and_keep_the_floor(score: Array, epsilon: float, decision_id: str) -> None:
    choice = choose(score, score, score, epsilon, draw_of(decision_id))
    floor = epsilon / len(score)
    assert choice.propensities.sum() == pytest.approx(1.0, abs=1e-12)
    assert choice.propensities.min() >= floor
    assert choice.propensity == choice.propensities[choice.index]
    assert choice.propensities[int(np.argmax(score))] == pytest.approx(1 - epsilon + floor, abs=1e-12)
    assert choice.explored or choice.index == int(np.argmax(score))


@given(scores, ids)
@steady
def test_without_a_floor_the_first_best_is_certain(score: Array, decision_id: str) -> None:
    choice = choose(score, score, score, 0.0, draw_of(decision_id))
    assert (choice.index, choice.propensity, choice.explored) == (int(np.argmax(score)), 1.0, False)


@pytest.mark.parametrize("policy", POLICIES)
@given(seed=seeds, k=st.integers(1, 30))
@steady
def test_scores_go_with_their_candidates_whatever_the_order(policy: str, seed: int, k: int) -> None:
    state = posterior(*sums(*observations(seed, 20, 8)))
    x, _ = observations(seed + 1, k, 8)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(k)
    plain = decide(policy, PolicyParams(), state, x, "d")
    shuffled = decide(policy, PolicyParams(), state, x[order], "d")
    assert shuffled.score.tobytes() == plain.score[order].tobytes()
    assert shuffled.mean.tobytes() == plain.mean[order].tobytes()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("k", [1, 2, 40, 1000])
def test_the_same_decision_is_made_alike_each_time(policy: str, k: int) -> None:
    state = posterior(*sums(*observations(1, 30, 16)))
    x, _ = observations(2, k, 16)
    first, again = (decide(policy, PolicyParams(epsilon=0.5), state, x, "a decision") for _ in range(2))
    assert (first.index, first.propensity, first.explored) == (again.index, again.propensity, again.explored)
    for name in ("mean", "bonus", "score", "propensities"):
        assert getattr(first, name).tobytes() == getattr(again, name).tobytes()
        assert getattr(first, name).shape == (k,)


@pytest.mark.parametrize("policy", ["linucb", "lints", "epsilon_greedy", "greedy"])
def test_among_equals_the_first_is_chosen(policy: str) -> None:
    state = posterior(*sums(*observations(1, 30, 16)))
    x = np.ones((7, 16))
    assert decide(policy, PolicyParams(epsilon=0.0), state, x, "d").index == 0


@pytest.mark.parametrize(("policy", "epsilon"), [("linucb", 0.3), ("greedy", 0.3), ("random", 0.3), ("linucb", 0.0)])
def test_over_many_decisions_each_candidate_is_shown_as_often_as_its_propensity_says(
    policy: str, epsilon: float
) -> None:
    n, k = 20_000, 5
    state = posterior(*sums(*observations(1, 30, 16)))
    x, _ = observations(2, k, 16)
    params = PolicyParams(epsilon=epsilon)
    choices = [decide(policy, params, state, x, f"decision-{number}") for number in range(n)]
    shown = np.bincount([choice.index for choice in choices], minlength=k) / n
    chance = choices[0].propensities
    assert (np.abs(shown - chance) <= 4 * np.sqrt(chance * (1 - chance) / n)).all()
    explored = 1.0 if policy == "random" else epsilon
    assert np.mean([choice.explored for choice in choices]) == pytest.approx(explored, abs=0.02)


def test_an_unknown_policy_is_refused_with_those_there_are() -> None:
    state = posterior(np.zeros((2, 2)), np.zeros(2))
    with pytest.raises(
        UnknownPolicy, match="'ucb1' is unknown; there are linucb, lints, epsilon_greedy, softmax, greedy, random"
    ):
        decide("ucb1", PolicyParams(), state, np.ones((1, 2)), "d")


@pytest.mark.parametrize("shape", [(0, 2), (3, 4), (2,)])
def test_a_matrix_that_does_not_fit_the_state_is_refused(shape: tuple[int, ...]) -> None:
    state = posterior(np.zeros((2, 2)), np.zeros(2))
    with pytest.raises(CandidatesError, match="candidates must be"):
        decide("linucb", PolicyParams(), state, np.ones(shape), "d")


def test_a_state_of_another_lambda_is_refused() -> None:
    state = posterior(np.zeros((2, 2)), np.zeros(2), lam=2.0)
    with pytest.raises(ParamsError, match="made with 2"):
        decide("linucb", PolicyParams(lam=1.0), state, np.ones((1, 2)), "d")
