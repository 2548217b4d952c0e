"""A scoring call answered from folded state: the TipScored event that holds everything needed to check it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.errors import TipstreamError
from contracts.events.person import MAX_CANDIDATES, InlineCandidate, TipScored
from contracts.times import format_time, in_range, parse_time
from ml.features.definitions import WELLBEING_V1
from ml.features.feature_set import FeatureSet, TipAttributes
from ml.features.vector import (
    ContextError,
    ContextVector,
    FeatureError,
    candidate_matrix,
    read_context,
    tip_attributes_from,
)
from ml.policies.kernel import KERNEL, Array
from ml.policies.params import ParamsError, PolicyParams
from ml.policies.registry import POLICIES
from ml.policies.scoring import Posteriors, TipRows, evaluate
from projections.folds.catalog import CatalogState, Tip
from projections.folds.policies import PoliciesState
from projections.folds.projection import State

MAX_SLATES = 256


class CallRefused(TipstreamError):
    """A scoring call cannot be answered as it is; `field` is the path of what is wrong, as in candidates[3]."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class ScoringCall:
    """Which policy is to choose which tip for whom; the id is the decision's and seeds its draw."""

    decision_id: str
    user_id: str
    policy: str
    candidates: Sequence[str | InlineCandidate]


@dataclass(frozen=True, slots=True, eq=False)
class Slate:
    """Candidates with what is known of them: their tips, and the tip factors (k, d) in the same order."""

    tips: Sequence[Tip | TipAttributes]
    rows: Array


class Decider:
    """Decides for one feature set; keeps rows and posteriors of one `State`, so a new state needs a new decider."""

    def __init__(self, feature_set: FeatureSet = WELLBEING_V1) -> None:
        self.feature_set = feature_set
        self.posteriors = Posteriors(feature_set)
        self._rows = TipRows(feature_set)
        self._slates: dict[tuple[str | InlineCandidate, ...], Slate] = {}
        self._slates_seq = 0

    def read(self, context: Mapping[str, Any], now_us: int) -> ContextVector:
        """The context as the features see it, at `now_us` unless it says when. Raises CallRefused."""
        try:
            if "now" not in context:
                return read_context(self.feature_set, {**context, "now": format_time(now_us)})
            vector = read_context(self.feature_set, context)
        except ContextError as error:
            raise CallRefused(error.field, error.problem) from None
        if not in_range(parse_time(context["now"]), now_us):
            raise CallRefused("context.now", "must not be before 2000 or more than 24 h ahead")
        return vector

    def decide(self, state: State, call: ScoringCall, context: ContextVector, now_us: int) -> TipScored:
        """The decision on a call, its `latency_us` not filled in yet; raises CallRefused, SumsError.

        The same state and arguments give the same bits; `state` is only read.
        """
        slate = self._slate(state.catalog, call.candidates)
        version, params = _standing(state.policies, call.policy)
        person = state.learning.people.get(call.user_id)
        model = state.policies.model(self.feature_set.name)
        belief = self.posteriors.of(call.user_id, person, params, model)
        matrix = candidate_matrix(slate.rows, context.factors)
        scored = evaluate(matrix, belief, call.policy, params, call.decision_id)
        choice, x = scored.choice, scored.matrix[scored.choice.index].tolist()
        # Every value is right by construction; `test_a_decision_can_be_read_back` holds it to the contract.
        return TipScored.model_construct(
            decision_id=call.decision_id,
            user_id=call.user_id,
            policy=call.policy,
            policy_version=version,
            params=params.logged(call.policy),
            feature_set=self.feature_set.name,
            model_version=model.model_version if model else "none",
            kernel=KERNEL,
            state_version=person.version if person else 0,
            catalog_seq=state.catalog.seq,
            model_seq=state.seq,
            context=context.read,
            candidates=list(call.candidates),
            mean=choice.mean.tolist(),
            bonus=choice.bonus.tolist(),
            score=choice.score.tolist(),
            x_digest=scored.x_digest,
            tip_id=slate.tips[choice.index].tip_id,
            x=x,
            features=dict(zip(self.feature_set.names, x, strict=True)),
            propensity=choice.propensity,
            explored=choice.explored,
            missing=list(context.missing),
            stale_sources=list(context.stale_sources),
            latency_us=0,
            occurred_at=now_us,
            external=False,
        )

    def _slate(self, catalog: CatalogState, candidates: Sequence[str | InlineCandidate]) -> Slate:
        """The candidates as the catalog has them; callers ask about the same few lists again and again."""
        if self._slates_seq != catalog.seq:
            self._slates.clear()
            self._slates_seq = catalog.seq
        key = tuple(candidates)
        listed = set(map(type, key)) == {str}
        if listed and (known := self._slates.get(key)) is not None:
            return known
        tips = resolve(self.feature_set, catalog, candidates)
        slate = Slate(tips, self._rows.of(tips))
        if listed:
            if len(self._slates) >= MAX_SLATES:
                del self._slates[next(iter(self._slates))]
            self._slates[key] = slate
        return slate


def resolve(
    feature_set: FeatureSet, catalog: CatalogState, candidates: Sequence[str | InlineCandidate]
) -> list[Tip | TipAttributes]:
    """What is known of each candidate now. Raises CallRefused for none, too many, repeated, unknown or retired ones."""
    if not 1 <= len(candidates) <= MAX_CANDIDATES:
        raise CallRefused("candidates", f"must be 1 to {MAX_CANDIDATES} tips, they are {len(candidates)}")
    tips: list[Tip | TipAttributes] = []
    places: dict[str, int] = {}
    for place, candidate in enumerate(candidates):
        if isinstance(candidate, str):
            tip: Tip | TipAttributes = _listed(catalog, candidate, place)
        else:
            tip = _described(feature_set, candidate, place)
        if places.setdefault(tip.tip_id, place) != place:
            raise CallRefused(f"candidates[{place}]", f"repeats candidates[{places[tip.tip_id]}], {tip.tip_id!r:.100}")
        tips.append(tip)
    return tips


def _listed(catalog: CatalogState, tip_id: str, place: int) -> Tip:
    tip = catalog.get(tip_id)
    if tip is None:
        raise CallRefused(
            f"candidates[{place}]", f"{tip_id!r:.100} is no tip of the catalog; give its features, or publish it"
        )
    if not tip.active:
        raise CallRefused(f"candidates[{place}]", f"{tip_id!r:.100} has been retired")
    return tip


def _described(feature_set: FeatureSet, candidate: InlineCandidate, place: int) -> TipAttributes:
    try:
        return tip_attributes_from(feature_set, candidate.tip_id, candidate.features)
    except FeatureError as error:
        raise CallRefused(f"candidates[{place}].features.{error.key}", error.problem) from None


def _standing(policies: PoliciesState, name: str) -> tuple[int, PolicyParams]:
    """Version and parameters of a policy; one that the log never named has the defaults."""
    if name not in POLICIES:
        raise CallRefused("policy", f"{name!r:.100} is unknown; there are {', '.join(POLICIES)}")
    standing = policies.policies.get(name)
    if standing is None:
        return 0, PolicyParams.of(name, {})
    try:
        return standing.version, PolicyParams.of(name, standing.params)
    except ParamsError as error:
        raise CallRefused("policy", f"{name} has a parameter that cannot be used: {error}") from None
