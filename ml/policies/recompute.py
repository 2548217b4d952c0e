"""A past decision computed again from the log, and how what comes out compares with what was logged.

The caller folds the stream and brings the state that the decision names: the person's sums at `state_version`, the
catalog and the model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from contracts.errors import TipstreamError
from contracts.events.person import InlineCandidate, TipScored
from ml.features.definitions import FEATURE_SETS
from ml.features.feature_set import FeatureSet, TipAttributes
from ml.features.vector import (
    ContextError,
    ContextVector,
    FeatureError,
    candidate_matrix,
    read_context,
    tip_attributes_from,
)
from ml.policies.choice import Choice
from ml.policies.kernel import KERNEL, Array
from ml.policies.params import ParamsError, PolicyParams
from ml.policies.posterior import Posterior, SumsError
from ml.policies.registry import UnknownPolicy
from ml.policies.scoring import Scored, TipRows, believe, evaluate
from projections.folds.catalog import Tip
from projections.folds.learning import Sums
from projections.folds.policies import Model

TOLERANCE = 1e-9
"""How far a score of another kernel may be from ours, relative to max(1, |score|)."""

Verdict = Literal["identical", "close", "mismatched", "external"]


class NotRecomputable(TipstreamError):
    """The log does not hold what this decision says it was made from; the message names what is missing."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What a decision was made from: the context as read, and the candidate matrix (k, d)."""

    context: ContextVector
    matrix: Array


@dataclass(frozen=True, slots=True, eq=False)
class Recomputed:
    """A decision computed again: the context as read, what was believed of the person, and the candidates scored."""

    context: ContextVector
    belief: Posterior
    scored: Scored
    model_version: str

    @property
    def contributions(self) -> Array:
        """theta_i x_i of each candidate (k, d); a row adds up to that candidate's mean."""
        return self.scored.matrix * self.belief.theta


@dataclass(frozen=True, slots=True)
class Finding:
    """How a logged decision compares: `differences` are the fields that do not match, first the earliest cause.

    `again` is the decision as it was computed again, None when it was not.
    """

    verdict: Verdict
    differences: tuple[str, ...] = ()
    again: Recomputed | None = field(default=None, compare=False, repr=False)


class Recomputer:
    """Recomputes decisions of any known feature set; `tip_at(tip_id, seq)` is the catalog as it stood at `seq`."""

    def __init__(self, tip_at: Callable[[str, int], Tip | None]) -> None:
        self._tip_at = tip_at
        self._rows = {name: TipRows(feature_set) for name, feature_set in FEATURE_SETS.items()}

    def shown(self, event: TipScored) -> Shown:
        """What every policy would have decided from. Raises NotRecomputable."""
        feature_set = FEATURE_SETS.get(event.feature_set)
        if feature_set is None:
            raise NotRecomputable(f"feature_set {event.feature_set} is not known to this release")
        try:
            context = read_context(feature_set, event.context)
            rows = self._rows[feature_set.name].of(self._tips(feature_set, event))
        except (ContextError, FeatureError) as error:
            raise NotRecomputable(str(error)) from error
        return Shown(context, candidate_matrix(rows, context.factors))

    def recompute(self, event: TipScored, sums: Sums | None, model: Model | None) -> Recomputed:
        """The decision again, from the person's sums at its `state_version` (None: there were none) and its model.

        Raises NotRecomputable.
        """
        shown = self.shown(event)
        try:
            params = PolicyParams.parse(event.params)
            belief = believe(sums, params, model, shown.matrix.shape[1])
            scored = evaluate(shown.matrix, belief, event.policy, params, event.decision_id)
        except (ParamsError, SumsError, UnknownPolicy) as error:
            raise NotRecomputable(str(error)) from error
        return Recomputed(shown.context, belief, scored, model.model_version if model else "none")

    def check(self, event: TipScored, sums: Sums | None, model: Model | None) -> Finding:
        """Recompute and compare; what cannot be recomputed is mismatched."""
        if event.external:
            return Finding("external")
        try:
            return compare(event, self.recompute(event, sums, model))
        except NotRecomputable as error:
            return Finding("mismatched", (str(error),))

    def _tips(self, feature_set: FeatureSet, event: TipScored) -> Sequence[Tip | TipAttributes]:
        tips: list[Tip | TipAttributes] = []
        for candidate in event.candidates:
            if isinstance(candidate, InlineCandidate):
                tips.append(tip_attributes_from(feature_set, candidate.tip_id, candidate.features))
                continue
            tip = self._tip_at(candidate, event.catalog_seq)
            if tip is None or not tip.active:
                raise NotRecomputable(f"tip {candidate!r:.100} was not in the catalog at {event.catalog_seq}")
            tips.append(tip)
        return tips


def compare(event: TipScored, again: Recomputed) -> Finding:
    """Bit for bit when the kernel is ours, within TOLERANCE when it is another; the matrix is always bit for bit."""
    choice, ids = again.scored.choice, event.candidate_ids()
    chosen = ids.index(event.tip_id)
    x = again.scored.matrix[chosen].tolist()
    differences = _unequal(
        ("x_digest", event.x_digest, again.scored.x_digest),
        ("missing", event.missing, list(again.context.missing)),
        ("stale_sources", event.stale_sources, list(again.context.stale_sources)),
        ("model_version", event.model_version, again.model_version),
        ("x", event.x, x),
        ("features", event.features, dict(zip(FEATURE_SETS[event.feature_set].names, x, strict=True))),
    )
    scores = (
        ("mean", event.mean, choice.mean),
        ("bonus", event.bonus, choice.bonus),
        ("score", event.score, choice.score),
    )
    inexact = [name for name, logged, ours in scores if np.array(logged).tobytes() != ours.tobytes()]
    if inexact and event.kernel != KERNEL:
        differences += [name for name, logged, ours in scores if not _near(np.array(logged), ours)]
        differences += _other_choice(event, choice, chosen)
        return Finding("mismatched" if differences else "close", tuple(differences), again)
    differences += inexact
    differences += _unequal(
        ("tip_id", event.tip_id, ids[choice.index]),
        ("propensity", event.propensity, choice.propensity),
        ("explored", event.explored, choice.explored),
    )
    return Finding("mismatched" if differences else "identical", tuple(differences), again)


def _unequal(*pairs: tuple[str, object, object]) -> list[str]:
    return [name for name, logged, ours in pairs if logged != ours]


def _near(logged: Array, ours: Array) -> bool:
    return bool(np.all(np.abs(logged - ours) <= TOLERANCE * np.maximum(1.0, np.abs(ours))))


def _other_choice(event: TipScored, choice: Choice, chosen: int) -> list[str]:
    """What another kernel's choice contradicts: of two scores that are nearly equal it may choose either."""
    ours = choice.score[choice.index]
    drawn = chosen == choice.index if event.explored else bool(_near(choice.score[chosen], ours))
    likely = any(abs(event.propensity - one) <= TOLERANCE for one in choice.propensities)
    return _unequal(
        ("tip_id", drawn, True), ("propensity", likely, True), ("explored", event.explored, choice.explored)
    )
