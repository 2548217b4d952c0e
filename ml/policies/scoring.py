"""The arithmetic of one decision, from tips and sums to a choice: the one code path of serving and of verifying.

Whatever is remembered here is keyed by the version that it was made from.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.features.feature_set import FeatureSet, TipAttributes
from ml.features.vector import matrix_digest, tip_factors
from ml.policies.choice import Choice
from ml.policies.kernel import Array
from ml.policies.params import PolicyParams
from ml.policies.posterior import Posterior, Prior, posterior
from ml.policies.registry import decide
from projections.folds.catalog import Tip
from projections.folds.learning import Person, Sums
from projections.folds.policies import Model

MAX_POSTERIORS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """The candidate matrix (k, d), its SHA-256 and what the policy made of it."""

    matrix: Array
    x_digest: str
    choice: Choice


def evaluate(matrix: Array, belief: Posterior, policy: str, params: PolicyParams, decision_id: str) -> Scored:
    """Score the candidates of a matrix (k, d) and choose one; raises as `registry.decide`."""
    return Scored(matrix, matrix_digest(matrix), decide(policy, params, belief, matrix, decision_id))


class TipRows:
    """Tip factors of one feature set; a catalog tip's row is worked out once for each of its versions."""

    def __init__(self, feature_set: FeatureSet) -> None:
        self._feature_set = feature_set
        # As bytes: joining fifty rows takes a tenth of the time that stacking fifty arrays does.
        self._known: dict[tuple[str, int], bytes] = {}

    def of(self, tips: Sequence[Tip | TipAttributes]) -> Array:
        """The rows (k, d) of catalog tips and of tips described by a caller, k >= 1."""
        known = self._known
        parts = []
        for tip in tips:
            if isinstance(tip, TipAttributes):
                parts.append(tip_factors(self._feature_set, tip).tobytes())
                continue
            key = (tip.tip_id, tip.seq)
            row = known.get(key)
            if row is None:
                described = TipAttributes(tip.tip_id, tip.category, tip.effort, tip.minutes)
                row = known[key] = tip_factors(self._feature_set, described).tobytes()
            parts.append(row)
        return np.frombuffer(b"".join(parts)).reshape(len(parts), self._feature_set.d)


def believe(sums: Sums | None, params: PolicyParams, model: Model | None, d: int) -> Posterior:
    """The posterior of a person's sums (None: no pull yet) under a model's prior, or lambda's. Raises SumsError."""
    known = sums or Sums.empty(d)
    prior = None if model is None or not model.counts else Prior(np.array(model.a0), np.array(model.b0))
    return posterior(known.s, known.c, lam=params.lam, prior=prior)


class Posteriors:
    """Each person's latest posterior, the least recently used going first; for one state of the folds."""

    def __init__(self, feature_set: FeatureSet, limit: int = MAX_POSTERIORS) -> None:
        self._feature_set = feature_set
        self._limit = limit
        self._known: OrderedDict[str, tuple[tuple[int, float, float, int], Posterior]] = OrderedDict()
        self.computed = 0

    def of(self, user_id: str, person: Person | None, params: PolicyParams, model: Model | None) -> Posterior:
        """What is believed of a person at their present version. Raises SumsError."""
        key = (person.version if person else 0, params.gamma, params.lam, model.seq if model else 0)
        held = self._known.get(user_id)
        if held is not None and held[0] == key:
            self._known.move_to_end(user_id)
            return held[1]
        # Not Person.of: looking at somebody must not add sums to the state.
        sums = person.at(self._feature_set.name, params.gamma) if person else None
        belief = believe(sums, params, model, self._feature_set.d)
        self.computed += 1
        self._known[user_id] = (key, belief)
        self._known.move_to_end(user_id)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)
        return belief
