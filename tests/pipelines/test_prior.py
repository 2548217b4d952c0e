"""The power prior of everybody's reactions, as strong as it foretells best, and the same for the same log and seed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.pipelines.prior import KAPPAS, fit, power_prior, progressive_errors
from ml.pipelines.rows import Rows
from tests.pipelines.lives import gathered, life

THETA = np.array([0.4, -0.3, 0.2])


def alike(people: int = 30, pulls: int = 8, *, noise: float = 0.1, seed: int = 3) -> Rows:
    """People who all have the same taste THETA."""
    draw = np.random.default_rng(seed)
    n = people * pulls
    x = draw.uniform(-1, 1, (n, len(THETA)))
    numbers = np.arange(n, dtype=np.float64)
    return Rows(
        "wellbeing.v1", numbers, numbers % people, numbers, x, x @ THETA + noise * draw.standard_normal(n),
        np.full(n, 0.5), np.ones(n, dtype=np.bool_), (("people: warm",),) * n,
    )  # fmt: skip


def test_a_prior_of_one_feature_by_hand() -> None:
    a0, b0 = power_prior(np.array([[1.0], [2.0]]), np.array([1.0, 0.5]), kappa=4.0)
    # λ + 4/2 (1 + 4) and 4/2 (1 + 1).
    assert (a0.tolist(), b0.tolist()) == ([[11.0]], [4.0])


def test_no_strength_is_the_neutral_prior() -> None:
    a0, b0 = power_prior(np.ones((3, 2)), np.ones(3), kappa=0.0)
    assert (a0.tolist(), b0.tolist()) == (np.eye(2).tolist(), [0.0, 0.0])


@given(kappa=st.floats(0.01, 1e4), seed=st.integers(0, 1000))
def test_a_prior_is_positive_definite_and_weighs_kappa_pulls(kappa: float, seed: int) -> None:
    x = np.random.default_rng(seed).uniform(-1, 1, (9, 4))
    a0, b0 = power_prior(x, x @ np.ones(4), kappa)
    assert np.linalg.eigvalsh(a0).min() > 0.99
    assert np.trace(a0) - 4 == pytest.approx(kappa * np.mean(np.sum(x * x, axis=1)))
    assert np.isfinite(b0).all()


def test_people_who_are_alike_are_foretold_better_by_a_strong_prior() -> None:
    found = fit(alike(), seed=7)
    assert found.kappa == max(KAPPAS)
    assert found.errors[found.kappa] < found.errors[0.0]
    assert np.linalg.solve(found.a0, found.b0) == pytest.approx(THETA, abs=0.05)


def test_a_reaction_is_foretold_before_it_is_learned() -> None:
    rows = alike(people=1, pulls=3, noise=0.0)
    neutral = power_prior(rows.x[:0], rows.reward[:0], 0.0)
    errors = progressive_errors(rows, [neutral])
    assert errors[0, 0] == pytest.approx(rows.reward[0] ** 2)
    assert np.isnan(progressive_errors(rows, [neutral], most=1)[1:]).all()


def test_the_same_log_and_seed_give_the_same_digest_and_another_log_another() -> None:
    log = life().log
    digest = fit(gathered(log).fitted_on, seed=7).stored().digest
    assert digest == fit(gathered(log).fitted_on, seed=7).stored().digest
    assert digest != fit(gathered(life(110).log).fitted_on, seed=7).stored().digest
    one_more = gathered(log)
    assert digest != fit(one_more, seed=7).stored().digest


def test_one_person_alone_is_foretold_from_nobody() -> None:
    found = fit(alike(people=1), seed=7)
    assert (found.errors, found.kappa) == ({}, min(KAPPAS))
    rows = alike(people=2)
    silent = replace(rows, reacted=rows.person == 0.0)
    assert fit(silent, seed=7).errors == {}


def test_another_seed_deals_people_otherwise() -> None:
    rows = alike(noise=0.6)
    assert fit(rows, seed=1).errors != fit(rows, seed=2).errors
