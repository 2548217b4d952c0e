"""What a policy in shadow would have chosen: from the state where the log stands, under the decision's own draw."""

import itertools

import pytest

from contracts.events.admin import PolicyDisabled, PolicyShadowed
from contracts.events.person import ShadowScored, TipScored
from ml.policies.decision import Decider, ScoringCall
from ml.policies.shadowing import Shadowing, shadow_id
from projections.folds.projection import State
from services.catalog.builtin import builtin_tips
from tests.folds.log import Log

TIPS = [tip.tip_id for tip in builtin_tips()][:5]


@pytest.fixture
def log() -> Log:
    """The built-in tips, and one thing that ann likes."""
    log = Log()
    for tip in builtin_tips():
        log.admin(tip)
    return log


def decide(log: Log, decision_id: str, policy: str = "linucb") -> TipScored:
    """A decision as the scorer would make it now; it is not in the log yet."""
    decider = Decider()
    call = ScoringCall(decision_id, "ann", policy, TIPS)
    return decider.decide(log.state, call, decider.read({}, log.now_us), log.now_us)


def shadows(state: State, decision: TipScored) -> list[ShadowScored]:
    ticks = itertools.count()
    return [shadow.event for shadow in Shadowing(state, lambda: next(ticks) * 0.25).shadows(decision)]


def test_a_shadow_chooses_what_it_would_have_chosen_live(log: Log) -> None:
    log.admin(PolicyShadowed(policy="greedy", params={"epsilon": 0.3}, reason="try"))
    for number in range(40):
        decision = decide(log, f"d{number}")
        log.event(decision, event_id=decision.decision_id)
        [shadow] = shadows(log.state, decision)
        live = decide(log, f"d{number}", "greedy")
        assert (shadow.tip_id, shadow.propensity) == (live.tip_id, live.propensity)
        assert shadow.score == live.score[TIPS.index(live.tip_id)]
        assert shadow.agreed == (live.tip_id == decision.tip_id)
        assert shadow.chosen_propensity == pytest.approx(live.propensity if shadow.agreed else shadow.chosen_propensity)
        assert (shadow.policy, shadow.params["epsilon"], shadow.policy_version) == ("greedy", 0.3, 1)
        # Reading the decision is one tick of the clock, choosing another.
        assert (shadow.latency_us, shadow.occurred_at) == (500_000, decision.occurred_at)
        log.feedback("helpful", decision_id=decision.decision_id)


def test_the_propensities_of_what_is_shown_add_up(log: Log) -> None:
    """Over all tips that might have been shown, a shadow's propensities are one distribution."""
    log.admin(PolicyShadowed(policy="greedy", params={}, reason="try"))
    decision = decide(log, "d")
    total = 0.0
    for tip_id in TIPS:
        [shadow] = shadows(log.state, decision.model_copy(update={"tip_id": tip_id}))
        total += shadow.chosen_propensity
    assert total == pytest.approx(1.0)


def test_only_policies_in_shadow_that_did_not_decide_score_along(log: Log) -> None:
    assert shadows(log.state, decide(log, "none")) == []
    for policy in ("greedy", "random", "linucb"):
        log.admin(PolicyShadowed(policy=policy, params={}, reason="try"))
    assert [one.policy for one in shadows(log.state, decide(log, "two"))] == ["greedy", "random"]
    log.admin(PolicyDisabled(policy="greedy", reason="enough"))
    assert [one.policy for one in shadows(log.state, decide(log, "one"))] == ["random"]
    log.admin(PolicyShadowed(policy="of-a-later-release", params={}, reason="try"))
    assert [one.policy for one in shadows(log.state, decide(log, "unknown"))] == ["random"]


def test_one_that_cannot_score_is_passed_over_and_says_why(log: Log) -> None:
    log.admin(PolicyShadowed(policy="greedy", params={"epsilon": 7.0}, reason="try"))
    log.admin(PolicyShadowed(policy="random", params={}, reason="try"))
    shadowing = Shadowing(log.state, lambda: 0.0)
    assert [one.event.policy for one in shadowing.shadows(decide(log, "d"))] == ["random"]
    assert "epsilon" in shadowing.failures["greedy"]


def test_ids_follow_from_policy_and_decision() -> None:
    ids = {shadow_id(policy, decision) for policy in ("a", "b") for decision in ("1", "2", "x" * 300)}
    assert len(ids) == 6
    assert all(len(event_id) == 32 for event_id in ids)
