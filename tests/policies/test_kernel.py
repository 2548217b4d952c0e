"""The kernel's promises: right numbers, the same bits in any company, and loud when sums are broken."""

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.policies import kernel
from ml.policies.draw import draw_of
from ml.policies.posterior import Prior, SumsError, posterior
from tests.policies.streams import observations, seeds, steady, sums

GOLDEN = {
    "cholesky.v1/x86_64": "635d98c7f4f5cd44b4ac3c062e574061b59b60a7c14bf7718e45a62354a367fa",
}


@given(seeds, st.integers(1, 24), st.integers(0, 60))
@steady
def test_the_posterior_is_the_ridge_solution(seed: int, d: int, n: int) -> None:
    x, r = observations(seed, n, d)
    s, c = sums(x, r)
    state = posterior(s, c, lam=1.0)
    a = np.eye(d) + s
    assert np.abs(state.theta - np.linalg.solve(a, c)).max() < 1e-9
    assert np.abs(state.inverse @ a - np.eye(d)).max() < 1e-9
    assert np.array_equal(state.root, np.tril(state.root))


@given(seeds, st.integers(1, 24), st.integers(1, 40))
@steady
def test_a_candidate_has_the_same_bits_alone_and_in_any_company(seed: int, d: int, k: int) -> None:
    state = posterior(*sums(*observations(seed, 30, d)))
    x, _ = observations(seed + 1, k, d)
    rows = kernel.upper_bounds(x, state.theta, state.root, 0.5)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(k)
    shuffled = kernel.upper_bounds(np.ascontiguousarray(x[order]), state.theta, state.root, 0.5)
    assert shuffled.tobytes() == rows[:, order].tobytes()
    for c in range(k):
        alone = kernel.upper_bounds(x[c : c + 1], state.theta, state.root, 0.5)
        assert alone[:, 0].tobytes() == rows[:, c].tobytes()
    assert kernel.mean(x, state.theta).tobytes() == rows[0].tobytes()


@given(seeds)
@steady
def test_the_order_of_the_pulls_matters_only_in_the_last_bits(seed: int) -> None:
    x, r = observations(seed, 50, 16)
    forwards, backwards = posterior(*sums(x, r)), posterior(*sums(x[::-1], r[::-1]))
    assert np.abs(forwards.theta - backwards.theta).max() < 1e-9
    assert np.abs(forwards.inverse - backwards.inverse).max() < 1e-9


@given(seeds)
@steady
def test_more_pulls_never_widen_a_bound(seed: int) -> None:
    x, r = observations(seed, 20, 16)
    before, after = posterior(*sums(x[:-1], r[:-1])), posterior(*sums(x, r))
    wide = kernel.upper_bounds(x, before.theta, before.root, 1.0)[1]
    narrow = kernel.upper_bounds(x, after.theta, after.root, 1.0)[1]
    assert (narrow <= wide + 1e-12).all()


def test_a_prior_of_lambda_on_the_diagonal_gives_the_bits_of_lambda() -> None:
    s, c = sums(*observations(1, 40, 16))
    plain, told = posterior(s, c, lam=2.0), posterior(s, c, prior=Prior(2.0 * np.eye(16), np.zeros(16)))
    assert (plain.theta.tobytes(), plain.root.tobytes()) == (told.theta.tobytes(), told.root.tobytes())


def test_the_sums_are_left_as_they_were() -> None:
    s, c = sums(*observations(1, 40, 16))
    before = (s.tobytes(), c.tobytes())
    s.flags.writeable = c.flags.writeable = False
    posterior(s, c)
    assert (s.tobytes(), c.tobytes()) == before


@pytest.mark.parametrize("broken", [np.nan, np.inf, -2.0])
def test_broken_sums_are_refused(broken: float) -> None:
    s = np.zeros((2, 2))
    s[1, 1] = broken
    with pytest.raises(SumsError, match="not finite or not positive definite"):
        posterior(s, np.zeros(2))


def test_a_broken_reward_sum_is_refused() -> None:
    with pytest.raises(SumsError, match="not finite"):
        posterior(np.zeros((2, 2)), np.array([0.0, np.nan]))


def test_sums_of_another_feature_set_are_refused() -> None:
    with pytest.raises(SumsError, match="shape"):
        posterior(np.zeros((2, 2)), np.zeros(3))
    with pytest.raises(SumsError, match="shape"):
        posterior(np.zeros((2, 2)), np.zeros(2), prior=Prior(np.eye(3), np.zeros(3)))


@pytest.mark.skipif(kernel.KERNEL.rsplit("/")[-1] != "x86_64", reason="the pinned bits are x86_64's")
def test_the_bits_of_this_version_of_the_kernel_are_pinned() -> None:
    """When this fails, logged scores no longer recompute bit by bit: count up KERNEL's version and pin again."""
    draw = draw_of("kernel")
    x = np.array([[2 * draw.uniform() - 1 for _ in range(16)] for _ in range(64)])
    state = posterior(*sums(x, x[:, 0]))
    rows = kernel.upper_bounds(x, state.theta, state.root, 0.5)
    assert sha256(state.theta.tobytes() + rows.tobytes()).hexdigest() == GOLDEN[kernel.KERNEL]
