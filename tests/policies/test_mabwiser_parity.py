"""Our numbers against MABWiser's LinUCB, a peer that inverts with LAPACK and keeps one model an arm.

lambda is 1 throughout: MABWiser 2.7.4 starts untrained arms from lambda I where the inverse is needed.
"""

from collections.abc import Callable

import numpy as np
import pytest
from mabwiser.mab import MAB, LearningPolicy

from ml.policies.kernel import Array
from ml.policies.params import PolicyParams
from ml.policies.posterior import Posterior, posterior
from ml.policies.registry import decide
from tests.policies.streams import observations, sums

Ours = Callable[[Posterior, Array, float], Array]


def mean(state: Posterior, x: Array, alpha: float) -> Array:
    return decide("linucb", PolicyParams(alpha=alpha), state, x, "d").mean


def score(state: Posterior, x: Array, alpha: float) -> Array:
    return decide("linucb", PolicyParams(alpha=alpha), state, x, "d").score


@pytest.mark.parametrize(("ours", "alpha", "peer_alpha"), [(mean, 0.7, 0.0), (score, 0.7, 0.7), (score, 2.0, 2.0)])
def test_one_arm_that_sees_every_x_is_our_shared_model_after_each_pull(
    ours: Ours, alpha: float, peer_alpha: float
) -> None:
    x, r = observations(seed=2, n=120, d=16)
    candidates, _ = observations(seed=3, n=20, d=16)
    peer = MAB(["all tips"], LearningPolicy.LinUCB(alpha=peer_alpha, l2_lambda=1.0))
    peer.fit(["all tips"], r[:1].tolist(), x[:1].tolist())
    for n in range(1, 121):
        if n > 1:
            peer.partial_fit(["all tips"], r[n - 1 : n].tolist(), x[n - 1 : n].tolist())
        expected = [one["all tips"] for one in peer.predict_expectations(candidates.tolist())]
        state = posterior(*sums(x[:n], r[:n]), lam=1.0)
        assert np.abs(ours(state, candidates, alpha) - expected).max() < 1e-9


def test_arms_of_their_own_are_blocks_of_our_shared_model() -> None:
    """x (x) e_arm keeps the arms' features apart, so A falls into a block an arm, as disjoint LinUCB has it."""
    arms, width, n = 5, 4, 200
    x, r = observations(seed=5, n=n, d=width)
    shown = np.random.Generator(np.random.PCG64(6)).integers(0, arms, n)
    peer = MAB(list(range(arms)), LearningPolicy.LinUCB(alpha=1.0, l2_lambda=1.0))
    peer.fit(shown.tolist(), r.tolist(), x.tolist())

    def apart(context: Array, arm: int) -> Array:
        return np.kron(np.eye(arms)[arm], context)

    state = posterior(*sums(np.array([apart(one, arm) for one, arm in zip(x, shown, strict=True)]), r), lam=1.0)
    params = PolicyParams(alpha=1.0, epsilon=0.0)
    moments, _ = observations(seed=7, n=50, d=width)
    for moment in moments:
        choice = decide("linucb", params, state, np.array([apart(moment, arm) for arm in range(arms)]), "d")
        expected = peer.predict_expectations([moment.tolist()])
        assert np.abs(choice.score - [expected[arm] for arm in range(arms)]).max() < 1e-9
        assert choice.index == peer.predict([moment.tolist()])
