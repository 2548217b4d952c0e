"""What policies in shadow would have chosen for a decision, from the state as it stands when the log reaches it.

That state holds nothing that came of the decision: a reaction stands behind it in the log.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from contracts.events.person import ShadowScored, TipScored
from contracts.times import SECOND_US
from ml.policies.kernel import KERNEL
from ml.policies.params import ParamsError, PolicyParams
from ml.policies.posterior import Posterior, SumsError
from ml.policies.recompute import NotRecomputable, Recomputer, Shown
from ml.policies.registry import POLICIES, decide
from ml.policies.scoring import believe
from projections.folds.policies import PoliciesState, Policy
from projections.folds.projection import State


@dataclass(frozen=True, slots=True)
class Shadow:
    """A shadow decision and the id of its event, which is the same whenever it is made again."""

    event_id: str
    event: ShadowScored


class Shadowing:
    """Scores along with one state; `clock` tells seconds, for the latency that is logged."""

    def __init__(self, state: State, clock: Callable[[], float]) -> None:
        self._state, self._clock = state, clock
        self._recomputer = Recomputer(state.catalog.at)
        self.failures: dict[str, str] = {}

    def shadows(self, decision: TipScored) -> Iterator[Shadow]:
        """What each policy in shadow would have chosen; one that cannot score is passed over, with why in `failures`.

        Draws come from the decision's id, so a shadow explores exactly when it would have, had it been live.
        """
        policies = [one for one in in_shadow(self._state.policies) if one.policy != decision.policy]
        if decision.external or not policies:
            return
        began = self._clock()
        try:
            shown = self._recomputer.shown(decision)
        except NotRecomputable as problem:
            self.failures.update((policy.policy, str(problem)) for policy in policies)
            return
        read_s, beliefs = self._clock() - began, dict[tuple[float, float], Posterior]()
        for policy in policies:
            try:
                event = self._shadow(decision, shown, policy, beliefs, self._clock() - read_s)
            except (SumsError, ParamsError) as problem:
                self.failures[policy.policy] = str(problem)
            else:
                self.failures.pop(policy.policy, None)
                yield Shadow(shadow_id(policy.policy, decision.decision_id), event)

    def _shadow(
        self,
        decision: TipScored,
        shown: Shown,
        policy: Policy,
        beliefs: dict[tuple[float, float], Posterior],
        began: float,
    ) -> ShadowScored:
        """One policy's choice; `beliefs` are those of this decision by gamma and lambda, made when first needed."""
        person = self._state.learning.people.get(decision.user_id)
        params = PolicyParams.of(policy.policy, policy.params)
        key = (params.gamma, params.lam)
        if key not in beliefs:
            sums = person.at(decision.feature_set, params.gamma) if person is not None else None
            model = self._state.policies.model(decision.feature_set)
            beliefs[key] = believe(sums, params, model, shown.matrix.shape[1])
        choice = decide(policy.policy, params, beliefs[key], shown.matrix, decision.decision_id)
        ids = decision.candidate_ids()
        return ShadowScored(
            decision_id=decision.decision_id,
            user_id=decision.user_id,
            policy=policy.policy,
            policy_version=policy.version,
            params=params.logged(policy.policy),
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


def in_shadow(policies: PoliciesState) -> list[Policy]:
    """The policies in shadow that this release knows, in order of their names."""
    standing = sorted(policies.policies.items())
    return [policy for name, policy in standing if policy.standing == "shadow" and name in POLICIES]


def shadow_id(policy: str, decision_id: str) -> str:
    """The event id of a policy's shadow of a decision."""
    return hashlib.sha256(f"shadow\x1f{policy}\x1f{decision_id}".encode()).hexdigest()[:32]
