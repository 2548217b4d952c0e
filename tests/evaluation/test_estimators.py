"""Each estimator against numbers worked out by hand, against published ones, and against what must hold for any log."""

from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.evaluation import estimators
from ml.evaluation.evidence import FOLDS, Decisions, Evidence, EvidenceError
from ml.evaluation.reward_model import cross_fitted, prediction_variance
from projections.reports.window import Z
from tests.evaluation.logs import alternating, chance, decisions, evidence

# r, logged, target: weights 2, 1/2, 0, 4.
BY_HAND = decisions([1.0, 2.0, 5.0, -1.0], [0.25, 0.5, 0.5, 0.125], [0.5, 0.25, 0.0, 0.5])


def test_ips_by_hand() -> None:
    # w r = 2, 1, 0, -4: mean -1/4; squared deviations 81/16 + 25/16 + 1/16 + 225/16 = 332/16, / 3 / 4.
    found = estimators.ips(evidence(BY_HAND))
    assert found.value == -0.25
    assert found.stderr == pytest.approx(sqrt(Fraction(332, 16) / 12))
    assert (found.low, found.high) == (found.value - Z * found.stderr, found.value + Z * found.stderr)


def test_snips_by_hand() -> None:
    # v = -1 / 6.5 = -2/13; Σ w²(r - v)² = 4 (15/13)² + 1/4 (28/13)² + 16 (11/13)² = (900 + 196 + 1936) / 169.
    found = estimators.snips(evidence(BY_HAND))
    assert found.value == pytest.approx(-2 / 13)
    assert found.stderr == pytest.approx(sqrt(Fraction(3032, 169) / Fraction(169, 4)))


def test_replay_by_hand() -> None:
    log = decisions(
        [1.0, 0.0, 3.0, 7.0], [0.5] * 4, [0.5] * 4, uniform=[True, True, True, False], agrees=[True, False, True, True]
    )
    # Rewards 1 and 3 match: mean 2, variance of the mean 2 / 2.
    found = estimators.replay(evidence(log))
    assert (found.value, found.stderr, found.decisions) == (2.0, 1.0, 2)


def test_direct_method_and_doubly_robust_by_hand() -> None:
    # Two tips as unit vectors, ten decisions: fold f holds decisions f and f + 5, one of each tip. The first tip earned
    # 1 each time, the second 0, so every fold's model is θ = (4 / (1 + 4), 0) = (0.8, 0).
    x = np.array([[1.0, 0.0]] * 5 + [[0.0, 1.0]] * 5)
    target = np.array([0.75, 0.25])
    log = decisions([1.0] * 5 + [0.0] * 5, [0.5] * 10, (x @ target).tolist(), x=x, expected_x=np.tile(target, (10, 1)))
    found = evidence(log)
    assert cross_fitted(found) == pytest.approx(np.tile([0.8, 0.0], (FOLDS, 1)))
    assert estimators.dm(found).value == pytest.approx(0.6)
    # The first five have weight 1.5 and miss 0.2, the others miss nothing: 0.6 + 0.5 · 1.5 · 0.2.
    assert estimators.dr(found).value == pytest.approx(0.75)
    # Terms 0.9 and 0.6, five each: variance 10 · 0.15² / 9, / 10.
    assert estimators.dr(found).stderr == pytest.approx(0.15 / 3)
    assert estimators.switch_dr(found).value == estimators.dr(found).value


def test_the_doubt_about_the_model_by_hand() -> None:
    # x = 1: θ = Σ r / (n + 1) = 1/2 of all; residuals Σ r² - 2 θ Σ r + θ² n = 6 - 6 + 11/4; σ² = 11/4 / 10, and
    # x' B G B x = 11 / 12².
    log = decisions([1.0] * 6 + [0.0] * 5, [1.0] * 11, [1.0] * 11, x=np.ones((11, 1)), expected_x=np.ones((11, 1)))
    assert prediction_variance(evidence(log), np.ones(1)) == pytest.approx(11 / 40 * 11 / 144)


def test_switch_dr_leaves_heavy_weights_to_the_model() -> None:
    x = np.ones((10, 1))
    log = decisions([1.0] * 10, [0.05, *[0.5] * 9], [1.0, *[0.5] * 9], x=x, expected_x=x)
    found = evidence(log)
    # Every fold's θ is 8 / 9; w = 20 is above τ, so that decision keeps q alone.
    assert estimators.switch_dr(found).value == pytest.approx(8 / 9 + 0.9 / 9)
    assert estimators.dr(found).value == pytest.approx(8 / 9 + 0.1 * 20 / 9 + 0.9 / 9)


@pytest.mark.parametrize(("reward", "first", "low", "high"), [(1, 0.8, 0.75, 0.85), (10, 0.8, 7.5, 8.5)])
def test_published_convergence(reward: float, first: float, low: float, high: float) -> None:
    """The simulator and bounds of VowpalWabbit/estimators, tests/test_bandits.py, test_simple_convergence."""
    found = evidence(alternating(10_000, reward, first))
    assert estimators.ips(found).value == pytest.approx(first * reward)
    assert estimators.snips(found).value == pytest.approx(first * reward)
    assert low <= estimators.ips(found).low < estimators.ips(found).high <= high


def test_published_estimates_of_certain_logs() -> None:
    """VowpalWabbit/estimators, tests/test_bandits.py: 1 from 1s, 10 from 10s, -1 from -1s, 0.5 from 1000 of each."""
    for rewards, value in (([1.0] * 10, 1.0), ([10.0] * 10, 10.0), ([-1.0] * 10, -1.0), ([1.0, 0.0] * 1000, 0.5)):
        certain = [1.0] * len(rewards)
        found = evidence(decisions(rewards, certain, certain))
        assert estimators.ips(found).value == value
        assert estimators.snips(found).value == value
        assert estimators.ips(found).low <= value <= estimators.ips(found).high


REWARDS = st.floats(-2, 2)
PROPENSITIES = st.floats(0.01, 1)
LOGS = st.lists(st.tuples(REWARDS, PROPENSITIES, PROPENSITIES), min_size=2, max_size=40)


def of_rows(rows: list[tuple[float, float, float]], seed: int = 1) -> Decisions:
    """Rows of reward, logged and target propensity, with rows of x from a pinned seed."""
    x, expected = chance(seed).normal(size=(2, len(rows), 3))
    reward, logged, target = (list(column) for column in zip(*rows, strict=True))
    return decisions(reward, logged, target, x=x, expected_x=expected)


@given(st.lists(st.tuples(REWARDS, PROPENSITIES), min_size=2, max_size=40))
def test_weights_of_one_give_the_mean_of_the_rewards(rows: list[tuple[float, float]]) -> None:
    found = evidence(of_rows([(reward, propensity, propensity) for reward, propensity in rows]))
    known = estimators.on_policy(found)
    for estimator in (estimators.ips, estimators.snips):
        assert estimator(found).value == pytest.approx(known.value, abs=1e-12)
    assert estimators.ips(found).stderr == pytest.approx(known.stderr, abs=1e-7)


@given(LOGS, st.floats(-5, 5))
def test_snips_moves_with_the_rewards_and_stays_among_them(rows: list[tuple[float, float, float]], by: float) -> None:
    """Swaminathan and Joachims 2015, section 4: equivariance, which IPS does not have."""
    found = estimators.snips(evidence(of_rows(rows)))
    moved = estimators.snips(evidence(of_rows([(reward + by, logged, target) for reward, logged, target in rows])))
    assert moved.value == pytest.approx(found.value + by, abs=1e-9)
    assert moved.stderr == pytest.approx(found.stderr, abs=1e-5)
    rewards = [row[0] for row in rows]
    assert min(rewards) - 1e-9 <= found.value <= max(rewards) + 1e-9


@given(LOGS)
def test_without_a_model_the_robust_estimators_are_ips(rows: list[tuple[float, float, float]]) -> None:
    reward, logged, target = (list(column) for column in zip(*rows, strict=True))
    found = evidence(decisions(reward, logged, target))
    assert estimators.dr(found) == estimators.ips(found)
    assert estimators.dm(found).value == 0.0


@given(LOGS, st.integers(0, 40))
def test_a_log_may_come_in_pieces(rows: list[tuple[float, float, float]], cut: int) -> None:
    whole = of_rows(rows)
    names = Decisions.__dataclass_fields__
    parts = [
        Decisions(**{name: getattr(whole, name)[piece] for name in names})
        for piece in (slice(0, cut), slice(cut, None))
    ]
    once, twice = evidence(whole), evidence(*parts)
    for estimator in (estimators.ips, estimators.snips, estimators.dm, estimators.dr, estimators.switch_dr):
        one, other = estimator(once), estimator(twice)
        assert one.value == pytest.approx(other.value, abs=1e-9)
        assert one.stderr == pytest.approx(other.stderr, abs=1e-5)


@given(LOGS)
def test_the_sums_say_what_the_formulas_say(rows: list[tuple[float, float, float]]) -> None:
    log = of_rows(rows)
    found = evidence(log)
    theta, w, r, n = cross_fitted(found), log.weights, log.reward, len(rows)
    of = np.array([theta[place % FOLDS] for place in range(n)])
    model, chosen = (of * log.expected_x).sum(axis=1), (of * log.x).sum(axis=1)
    terms = model + w * (r - chosen)
    assert estimators.dm(found).value == pytest.approx(model.mean(), abs=1e-9)
    assert estimators.dr(found).value == pytest.approx(terms.mean(), abs=1e-9)
    assert estimators.dr(found).stderr == pytest.approx(terms.std(ddof=1) / sqrt(n), abs=1e-4)
    value = (w * r).sum() / w.sum()
    assert estimators.snips(found).stderr == pytest.approx(sqrt((w**2 * (r - value) ** 2).sum()) / w.sum(), abs=1e-5)


def test_a_model_of_the_other_folds_never_saw_a_decisions_own_reward() -> None:
    rows = [(0.0, 0.5, 0.5)] * 20
    changed = [(100.0, 0.5, 0.5), *rows[1:]]
    assert cross_fitted(evidence(of_rows(rows)))[0].tolist() == cross_fitted(evidence(of_rows(changed)))[0].tolist()


def test_arrays_that_do_not_fit_are_told_apart() -> None:
    with pytest.raises(EvidenceError, match=r"logged must be \(2,\)"):
        decisions([1.0, 1.0], [0.5], [0.5, 0.5])
    with pytest.raises(EvidenceError, match="reward holds what is no finite number"):
        decisions([1.0, float("nan")], [0.5, 0.5], [0.5, 0.5])
    with pytest.raises(EvidenceError, match="x has 1 entries, the evidence has 2"):
        Evidence(2).add(BY_HAND)
