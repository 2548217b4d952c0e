"""Reports on shadows, against numbers worked out by hand: policies and priors are told apart."""

from contracts.events.person import ShadowScored
from tests.folds.log import Log
from tests.projections.reported import Reported


def shadow(log: Log, decision_id: str, policy: str, chance: float, model_version: str | None = None) -> None:
    """A shadow that gave this chance to what was shown."""
    event = ShadowScored(
        decision_id=decision_id, user_id="ann", policy=policy, policy_version=3, model_version=model_version,
        state_version=0, tip_id="walk" if chance > 0.5 else "rest", score=0.0, propensity=0.5, agreed=chance > 0.5,
        chosen_propensity=chance, latency_us=40, occurred_at=log.now_us,
    )  # fmt: skip
    log.event(event)


async def test_what_a_policy_did_under_a_prior_in_shadow_counts_for_the_prior_alone(reported: Reported) -> None:
    log = reported.log
    log.scored(decision_id="liked")
    log.feedback("helpful", decision_id="liked")
    log.scored(decision_id="disliked")
    log.feedback("not_helpful", decision_id="disliked")
    # Shown with a chance of 0.5: the weights are 2 and 0; 0.5 and 1.5; 2 and 2.
    for decision_id, *chances in (("liked", 1.0, 0.25, 1.0), ("disliked", 0.0, 0.75, 1.0)):
        shadow(log, decision_id, "linucb", chances[0])
        shadow(log, decision_id, "linucb", chances[1], "prior/1")
        shadow(log, decision_id, "greedy", chances[2], "prior/2")
    (policy,) = await reported.rows("shadows")
    assert (policy["policy"], policy["policy_version"], policy["decisions"], policy["estimate"]) == (
        "linucb",
        3,
        2,
        0.5,
    )
    assert policy["agreement"] == 0.5
    first, second = await reported.rows("shadow_models")
    assert (first["model_version"], first["decisions"], first["estimate"]) == ("prior/1", 2, -0.25)
    assert (second["model_version"], second["decisions"], second["estimate"]) == ("prior/2", 2, 0.0)
    assert (first["agreement"], second["agreement"]) == (0.5, 1.0)
    assert first["shown_reward"] == second["shown_reward"] == 0.0
    assert (first["effective"], second["effective"]) == (1.6, 2.0)


async def test_priors_are_added_up_over_the_policies_that_decided_and_within_the_window(reported: Reported) -> None:
    log = reported.log
    for policy in ("linucb", "greedy"):
        log.scored(decision_id=policy, policy=policy)
        shadow(log, policy, policy, 1.0, "prior/1")
        log.wait(days=1)
    (both,) = await reported.rows("shadow_models")
    assert (both["decisions"], both["days"]) == (2, 2)
    (second,) = await reported.rows("shadow_models", since="2026-03-02T00:00:00Z")
    assert (second["decisions"], second["days"]) == (1, 1)


async def test_a_decision_s_shadows_name_the_prior(reported: Reported) -> None:
    log = reported.log
    log.scored(decision_id="d")
    shadow(log, "d", "greedy", 1.0)
    shadow(log, "d", "linucb", 1.0, "prior/1")
    found = await reported.rows("shadow_choices", decision_id="d")
    assert [(row["policy"], row["model_version"]) for row in found] == [("greedy", None), ("linucb", "prior/1")]
