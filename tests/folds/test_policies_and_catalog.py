"""The policy registry, the promoted models and the tip catalog, as they stand and as they stood."""

from typing import Any

from contracts.events.admin import (
    ModelPromoted,
    ModelShadowed,
    ModelWithdrawn,
    PolicyDisabled,
    PolicyEnabled,
    PolicyPromoted,
    PolicyShadowed,
)
from contracts.events.base import SignedEvent
from contracts.events.catalog import TipPublished, TipRetired
from contracts.feature_sets import CURRENT
from tests.folds.log import IDENTITY, Log


def standing(log: Log) -> dict[str, tuple[str, float]]:
    return {row["policy"]: (row["standing"], row["weight"]) for row in log.rows("policies")}


def published(tip_id: str, **fields: Any) -> TipPublished:
    return TipPublished(
        tip_id=tip_id, **{"title": tip_id.title(), "category": "rest", "effort": 2, "minutes": 10, **fields}
    )


def test_a_policy_goes_from_standing_to_standing(log: Log) -> None:
    log.admin(PolicyEnabled(policy="linucb", params={"alpha": 0.5}, weight=0.25), actor="ada")
    assert log.row("policies", "linucb") == {
        "policy": "linucb", "standing": "live", "weight": 0.25, "params": '{"alpha":0.5}', "version": 1,
        "changed_by": "ada", "changed_at": log.now_us, "seq": 1,
    }  # fmt: skip
    seen = []
    for event in (
        PolicyShadowed(policy="linucb"),
        PolicyEnabled(policy="linucb"),
        PolicyDisabled(policy="linucb"),
        PolicyShadowed(policy="linucb", params={"alpha": 1.0}),
        PolicyPromoted(policy="linucb"),
    ):
        log.wait(seconds=1)
        log.admin(event, actor="bea")
        row = log.row("policies", "linucb")
        seen.append((row["standing"], row["weight"], row["params"]))
    assert seen == [
        ("shadow", 0.0, '{"alpha":0.5}'),
        ("live", 1.0, '{"alpha":0.5}'),
        ("disabled", 0.0, '{"alpha":0.5}'),
        ("shadow", 0.0, '{"alpha":1.0}'),
        ("live", 1.0, '{"alpha":1.0}'),
    ]
    assert (row["version"], row["changed_by"], row["changed_at"], row["seq"]) == (6, "bea", log.now_us, 6)


def test_promoting_disables_the_live_ones_and_leaves_shadows(log: Log) -> None:
    log.admin(PolicyEnabled(policy="linucb", weight=0.5))
    log.admin(PolicyEnabled(policy="greedy", weight=0.5))
    log.admin(PolicyShadowed(policy="lints"))
    log.admin(PolicyDisabled(policy="random"))
    log.admin(PolicyPromoted(policy="greedy", params={"epsilon": 0.1}))
    assert standing(log) == {
        "linucb": ("disabled", 0.0),
        "greedy": ("live", 1.0),
        "lints": ("shadow", 0.0),
        "random": ("disabled", 0.0),
    }
    assert [policy.policy for policy in log.state.policies.live()] == ["greedy"]
    assert log.row("policies", "linucb")["version"] == 2
    assert log.row("policies", "lints")["version"] == 1


def test_promoting_the_live_policy_again_only_counts(log: Log) -> None:
    log.admin(PolicyPromoted(policy="linucb"))
    log.admin(PolicyPromoted(policy="linucb"))
    assert standing(log) == {"linucb": ("live", 1.0)}
    assert log.row("policies", "linucb")["version"] == 2


def test_live_policies_come_in_order_of_their_names(log: Log) -> None:
    for name in ("softmax", "greedy", "linucb"):
        log.admin(PolicyEnabled(policy=name))
    assert [policy.policy for policy in log.state.policies.live()] == ["greedy", "linucb", "softmax"]


def test_the_promoted_model_is_known_as_it_stood(log: Log) -> None:
    def promote(version: str) -> None:
        b0 = [0.0] * len(IDENTITY)
        log.admin(ModelPromoted(model_version=version, feature_set=CURRENT, a0=IDENTITY, b0=b0))

    promote("m1")
    log.bare("tips.feedback.helpful.ann")
    promote("m2")
    model = log.state.policies.model
    found = [model("wellbeing.v1", seq) for seq in range(5)]
    assert [one.model_version if one else None for one in found] == [None, "m1", "m1", "m2", "m2"]
    latest = model("wellbeing.v1")
    assert latest is not None
    assert (latest.model_version, latest.seq) == ("m2", 3)
    assert model("missing.v1") is None


def test_one_model_of_a_feature_set_is_in_shadow_until_that_one_is_promoted_or_withdrawn(log: Log) -> None:
    def carried(version: str) -> dict[str, Any]:
        return {"model_version": version, "feature_set": CURRENT, "a0": IDENTITY, "b0": [0.0] * len(IDENTITY)}

    def withdrawn(version: str) -> SignedEvent:
        return ModelWithdrawn(model_version=version, feature_set=CURRENT)

    seen = []
    for event in (
        ModelShadowed(**carried("m1")),
        withdrawn("m2"),
        ModelPromoted(**carried("m2")),
        ModelShadowed(**carried("m2")),
        withdrawn("m1"),
        ModelPromoted(**carried("m2")),
        ModelShadowed(**carried("m3")),
        withdrawn("m3"),
        withdrawn("m3"),
    ):
        log.admin(event)
        model = log.state.policies.shadowed.get(CURRENT)
        seen.append((model.model_version, model.seq) if model is not None else None)
    assert seen == [("m1", 1), ("m1", 1), ("m1", 1), ("m2", 4), ("m2", 4), None, ("m3", 7), None, None]
    assert [model.model_version for model in log.state.policies.models] == ["m2", "m2"]


def test_a_tip_is_published_changed_retired_and_published_again(log: Log) -> None:
    log.admin(published("walk", body="Go.", category="movement", effort=3, minutes=20))
    assert log.row("tips", "walk") == {
        "tip_id": "walk", "title": "Walk", "body": "Go.", "category": "movement", "effort": 3, "minutes": 20,
        "active": True, "seq": 1, "changed_at": log.now_us,
    }  # fmt: skip
    log.admin(published("walk", minutes=5))
    log.wait(seconds=1)
    log.admin(TipRetired(tip_id="walk"))
    row = log.row("tips", "walk")
    assert (row["active"], row["minutes"], row["seq"], row["changed_at"]) == (False, 5, 3, log.now_us)
    assert log.state.catalog.active() == []
    log.admin(published("walk", minutes=7))
    assert log.row("tips", "walk")["active"] is True
    assert [tip.minutes for tip in log.state.catalog.active()] == [7]


def test_the_catalog_is_known_as_it_stood_at_any_sequence(log: Log) -> None:
    log.signal({"steps": 1.0})
    log.admin(published("walk", minutes=1))
    log.admin(published("rest"))
    log.admin(published("walk", minutes=2))
    log.signal({"steps": 1.0})
    log.admin(TipRetired(tip_id="walk"))
    found = [log.state.catalog.at("walk", seq) for seq in range(8)]
    assert [(tip.minutes, tip.active) if tip else None for tip in found] == [
        None, None, (1, True), (1, True), (2, True), (2, True), (2, False), (2, False),
    ]  # fmt: skip
    assert log.state.catalog.at("swim", 99) is None
    assert log.state.catalog.seq == 6
    latest = log.state.catalog.get("walk")
    assert latest is not None
    assert not latest.active


def test_active_tips_come_in_order_of_their_ids(log: Log) -> None:
    for tip_id in ("walk", "rest", "call"):
        log.admin(published(tip_id))
    log.admin(TipRetired(tip_id="rest"))
    assert [tip.tip_id for tip in log.state.catalog.active()] == ["call", "walk"]


def test_retiring_what_was_never_published_is_an_action_and_nothing_more(log: Log) -> None:
    log.admin(TipRetired(tip_id="ghost"))
    assert log.rows("tips") == []
    assert log.state.catalog.seq == 0
    assert log.column("admin_actions", "type") == ["tipstream.tip.retired.v1"]
    log.admin(published("ghost"))
    assert log.row("tips", "ghost")["active"] is True
