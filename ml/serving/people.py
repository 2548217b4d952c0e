"""What the scorer knows of one person: the figures of `GET /stats`, as the folded state has them."""

from typing import Any

import numpy as np

from ml.policies.decision import Decider
from ml.policies.params import ParamsError, PolicyParams
from projections.folds.digest import hexadecimal, rows_digest
from projections.folds.learning import stats_rows
from projections.folds.projection import State

SHOWN_POLICY = "linucb"


def stats_of(state: State, decider: Decider, user_id: str) -> dict[str, Any]:
    """Pulls, reward, theta with its standard deviations (the roots of the diagonal of A^-1), version and digest.

    `alpha` times a standard deviation is what linucb adds for a tip that has only that feature, with value 1.
    """
    feature_set, person = decider.feature_set, state.learning.people.get(user_id)
    sums = person.sums.get(feature_set.name) if person is not None else None
    model = state.policies.model(feature_set.name)
    params = _params(state)
    belief = decider.posteriors.of(user_id, person, params, model)
    pulls, reward = (sums.pulls, sums.reward) if sums is not None else (0, 0.0)
    rows = stats_rows(user_id, person) if person is not None else ()
    return {
        "user_id": user_id,
        "pulls": pulls,
        "cumulative_reward": reward,
        "estimated_mean": reward / pulls if pulls else 0.0,
        "theta": belief.theta.tolist(),
        "uncertainty": np.sqrt(np.diag(belief.inverse)).tolist(),
        "alpha": params.alpha,
        "feature_names": list(feature_set.names),
        "feature_set": feature_set.name,
        "model_version": model.model_version if model is not None else "none",
        "state_version": person.version if person is not None else 0,
        "reset_seq": person.reset_seq if person is not None else 0,
        "digest": hexadecimal(rows_digest(rows)),
        "seq": state.seq,
    }


def _params(state: State) -> PolicyParams:
    """The parameters theta is shown under: those of linucb as they stand."""
    standing = state.policies.policies.get(SHOWN_POLICY)
    try:
        return PolicyParams.parse(standing.params) if standing is not None else PolicyParams()
    except ParamsError:
        return PolicyParams()
