"""What policies in shadow, and the policy that decided under a prior in shadow, would have chosen for a decision, from
the state as it stands when the log reaches it.

That state holds nothing that came of the decision: a reaction stands behind it in the log.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from contracts.events.person import ShadowScored, TipScored
from contracts.times import SECOND_US
from ml.policies.kernel import KERNEL
from ml.policies.params import ParamsError, PolicyParams
from ml.policies.posterior import Posterior, SumsError
from ml.policies.recompute import NotRecomputable, Recomputer, Shown
from ml.policies.registry import POLICIES, decide
from ml.policies.scoring import believe
from projections.folds.policies import Model, PoliciesState, Policy
from projections.folds.projection import State


@dataclass(frozen=True, slots=True)
class Shadow:
    """A shadow decision and the id of its event, which is the same whenever it is made again."""

    event_id: str
    event: ShadowScored


@dataclass(frozen=True, slots=True)
class Contender:
    """Who decides along: a policy with its parameters, under the promoted prior or, when given, under one in shadow."""

    policy: str
    version: int
    params: Mapping[str, float]
    prior: Model | None = None

    @property
    def model_version(self) -> str | None:
        """The prior in shadow, None under the promoted one."""
        return None if self.prior is None else self.prior.model_version

    @property
    def name(self) -> str:
        """What it is called where it fails."""
        return self.policy if self.prior is None else f"{self.policy} under {self.prior.model_version}"


class Shadowing:
    """Scores along with one state; `clock` tells seconds, for the latency that is logged."""

    def __init__(self, state: State, clock: Callable[[], float]) -> None:
        self._state, self._clock = state, clock
        self._recomputer = Recomputer(state.catalog.at)
        self.failures: dict[str, str] = {}

    def shadows(self, decision: TipScored) -> Iterator[Shadow]:
        """What each contender would have chosen; one that cannot score is passed over, with why in `failures`.

        Draws come from the decision's id, so a shadow explores exactly when it would have, had it been live.
        """
        found = [] if decision.external else contenders(self._state.policies, decision)
        if not found:
            return
        began = self._clock()
        try:
            shown = self._recomputer.shown(decision)
        except NotRecomputable as problem:
            self.failures.update((one.name, str(problem)) for one in found)
            return
        read_s, beliefs = self._clock() - began, dict[tuple[float, float, int], Posterior]()
        for one in found:
            try:
                event = self._shadow(decision, shown, one, beliefs, self._clock() - read_s)
            except (SumsError, ParamsError) as problem:
                self.failures[one.name] = str(problem)
            else:
                self.failures.pop(one.name, None)
                yield Shadow(shadow_id(one.policy, decision.decision_id, one.model_version), event)

    def _shadow(
        self,
        decision: TipScored,
        shown: Shown,
        one: Contender,
        beliefs: dict[tuple[float, float, int], Posterior],
        began: float,
    ) -> ShadowScored:
        """A contender's choice; `beliefs` are those of this decision by gamma, lambda and the prior's place in the log,
        made when first needed."""
        person = self._state.learning.people.get(decision.user_id)
        params = PolicyParams.of(one.policy, one.params)
        model = one.prior or self._state.policies.model(decision.feature_set)
        key = (params.gamma, params.lam, model.seq if model is not None else 0)
        if key not in beliefs:
            sums = person.at(decision.feature_set, params.gamma) if person is not None else None
            beliefs[key] = believe(sums, params, model, shown.matrix.shape[1])
        choice = decide(one.policy, params, beliefs[key], shown.matrix, decision.decision_id)
        ids = decision.candidate_ids()
        return ShadowScored(
            decision_id=decision.decision_id,
            user_id=decision.user_id,
            policy=one.policy,
            policy_version=one.version,
            model_version=one.model_version,
            params=params.logged(one.policy),
            kernel=KERNEL,
            state_version=person.version if person is not None else 0,
            tip_id=ids[choice.index],
            score=float(choice.score[choice.index]),
            propensity=choice.propensity,
            agreed=ids[choice.index] == decision.tip_id,
            chosen_propensity=float(choice.propensities[ids.index(decision.tip_id)]),
            latency_us=round((self._clock() - began) * SECOND_US),
            occurred_at=decision.occurred_at,
        )


def contenders(policies: PoliciesState, decision: TipScored) -> list[Contender]:
    """Who decides along: the policies in shadow, and the one that decided under the prior in shadow, if there is one.

    The latter with the parameters that it decided with, so that nothing but the prior makes the difference.
    """
    found = [
        Contender(one.policy, one.version, one.params)
        for one in policies_in_shadow(policies)
        if one.policy != decision.policy
    ]
    prior = policies.shadowed.get(decision.feature_set)
    if prior is not None and decision.policy in POLICIES:
        found.append(Contender(decision.policy, decision.policy_version, decision.params, prior))
    return found


def policies_in_shadow(policies: PoliciesState) -> list[Policy]:
    """The policies in shadow that this release knows, in order of their names."""
    standing = sorted(policies.policies.items())
    return [policy for name, policy in standing if policy.standing == "shadow" and name in POLICIES]


def in_shadow(policies: PoliciesState) -> bool:
    """Whether there is a policy or a prior in shadow."""
    return bool(policies.shadowed or policies_in_shadow(policies))


def shadow_id(policy: str, decision_id: str, model_version: str | None = None) -> str:
    """The event id of a policy's shadow of a decision, under the promoted prior or under one in shadow."""
    own = _hashed(f"shadow\x1f{policy}\x1f{decision_id}")
    # `own` is of one length: whatever is in an id, no two shadows are told by the same text.
    return own if model_version is None else _hashed(f"{own}\x1f{model_version}")


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
