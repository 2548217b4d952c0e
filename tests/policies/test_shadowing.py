"""What a policy or a prior in shadow would have chosen: from the state where the log stands, under the decision's own
draw."""

import hashlib
import itertools
from typing import Any

import numpy as np
import pytest

from contracts.events.admin import (
    ModelPromoted,
    ModelShadowed,
    ModelWithdrawn,
    PolicyDisabled,
    PolicyPromoted,
    PolicyShadowed,
)
from contracts.events.person import ShadowScored, TipScored
from contracts.feature_sets import CURRENT
from ml.policies.decision import Decider, ScoringCall
from ml.policies.kernel import Array
from ml.policies.recompute import Recomputer
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


def test_ids_follow_from_policy_decision_and_the_prior_in_shadow() -> None:
    decisions = ("1", "2", "x" * 300, "1\x1fm/1")
    ids = {
        shadow_id(policy, decision, model)
        for policy in ("a", "b")
        for decision in decisions
        for model in (None, "m/1", "m/2")
    }
    assert len(ids) == 24
    assert all(len(event_id) == 32 for event_id in ids)
    # As they were before there were priors in shadow, which never changes: what is in the log is found by them.
    assert shadow_id("greedy", "d1") == hashlib.sha256(b"shadow\x1fgreedy\x1fd1").hexdigest()[:32]


def taste(log: Log) -> Array:
    """What speaks for one of TIPS (d,), and turned round against it: the way from their middle to the outermost."""
    away = Recomputer(log.state.catalog.at).shown(decide(log, "shown")).matrix
    away = away - away.mean(axis=0)
    found: Array = away[np.linalg.norm(away, axis=1).argmax()]
    return found


def liking(version: str, what: Array) -> dict[str, Any]:
    """The fields of an event whose prior likes this."""
    return {"model_version": version, "feature_set": CURRENT, "a0": np.eye(len(what)).tolist(), "b0": what.tolist()}


def test_the_policy_that_decided_decides_again_under_a_prior_in_shadow(log: Log) -> None:
    liked = taste(log)
    log.admin(PolicyPromoted(policy="greedy", params={"epsilon": 0.0}, reason="no chance"))
    log.admin(ModelPromoted(**liking("m/1", liked)))
    log.admin(ModelShadowed(**liking("m/2", -liked)))
    decision = decide(log, "d", "greedy")
    [shadow] = shadows(log.state, decision)
    assert (shadow.policy, shadow.policy_version, shadow.model_version) == ("greedy", 1, "m/2")
    assert (shadow.agreed, shadow.propensity, shadow.chosen_propensity) == (False, 1.0, 0.0)
    log.admin(ModelPromoted(**liking("m/2", -liked)))
    assert shadows(log.state, decision) == [], "promoted, it is in shadow no longer"
    live = decide(log, "d", "greedy")
    assert live.tip_id == shadow.tip_id != decision.tip_id
    assert (live.propensity, live.score[TIPS.index(live.tip_id)]) == (shadow.propensity, shadow.score)


def test_it_decides_again_with_the_parameters_that_it_decided_with(log: Log) -> None:
    log.admin(PolicyPromoted(policy="softmax", params={"temperature": 2.0}, reason="wide"))
    decision = decide(log, "d", "softmax")
    log.admin(PolicyPromoted(policy="softmax", params={"temperature": 0.01}, reason="narrow"))
    log.admin(ModelShadowed(**liking("m/1", taste(log))))
    [shadow] = shadows(log.state, decision)
    assert (shadow.policy_version, shadow.params) == (1, decision.params)


def test_policies_in_shadow_go_on_under_the_promoted_prior(log: Log) -> None:
    log.admin(PolicyShadowed(policy="greedy", params={}, reason="try"))
    decision = decide(log, "d")
    [alone] = shadows(log.state, decision)
    log.admin(ModelShadowed(**liking("m/1", taste(log))))
    policy, prior = shadows(log.state, decision)
    assert policy.model_copy(update={"latency_us": 0}) == alone.model_copy(update={"latency_us": 0})
    assert (prior.policy, prior.model_version) == ("linucb", "m/1")
    assert prior.score != decision.score[TIPS.index(prior.tip_id)]
    log.admin(ModelWithdrawn(model_version="m/1", feature_set=CURRENT))
    assert [one.policy for one in shadows(log.state, decision)] == ["greedy"]


def test_a_prior_that_gives_no_score_is_passed_over_and_says_why(log: Log) -> None:
    log.admin(ModelShadowed(**liking("m/1", taste(log))))
    # An event may not say so; sums that came of anything else may.
    log.state.policies.shadowed[CURRENT].a0 = np.zeros((16, 16)).tolist()
    shadowing = Shadowing(log.state, lambda: 0.0)
    assert list(shadowing.shadows(decide(log, "d"))) == []
    assert "positive definite" in shadowing.failures["linucb under m/1"]


def test_shadows_of_imported_decisions_are_not_made(log: Log) -> None:
    log.admin(ModelShadowed(**liking("m/1", taste(log))))
    assert shadows(log.state, decide(log, "d").model_copy(update={"external": True})) == []
