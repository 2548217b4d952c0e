"""The ladder: a policy shadows before it decides for people, unless somebody forces it and says why."""

import asyncio
from typing import Any

import httpx
import pytest

from services.settings import Settings
from tests.api.callers import Door, System, settings_for
from tests.conftest import SHARED
from tests.servers import NatsServer
from tests.waiting import until


@pytest.fixture
def settings(nats_server: NatsServer) -> Settings:
    """A ladder with low steps."""
    return settings_for(nats_server.home, nats_server, shadow_decisions=6, shadow_days=1)


async def change(system: System, **body: Any) -> httpx.Response:
    answer = await system.door.admin.post("/api/admin/policies", json=body)
    if answer.status_code == 202:
        await system.folded()
    return answer


async def standing(system: System) -> dict[str, tuple[str, float]]:
    rows = await system.get("/api/admin/policies")
    return {row["policy"]: (row["standing"], row["weight"]) for row in rows if row["standing"] != "disabled"}


async def decide(system: System, decisions: int) -> None:
    """Decisions that people like; the shadow worker scores them along."""
    before = sum(row["decisions"] for row in await system.get("/api/admin/policies/shadows"))
    for number in range(decisions):
        made = await system.post("/v1/recommendations", user_id=f"person-{number}")
        body = {"user_id": f"person-{number}", "action": "helpful", "decision_id": made["decision_id"]}
        await system.post("/v1/feedback", **body)

    async def scored_along() -> bool:
        rows = await system.get("/api/admin/policies/shadows")
        return bool(sum(row["decisions"] for row in rows) == before + decisions)

    await until(scored_along)
    await system.folded()


async def test_a_policy_that_has_not_shadowed_decides_for_nobody(system: System) -> None:
    for action in ("enable", "promote"):
        refused = await change(system, policy="greedy", action=action)
        assert (refused.status_code, refused.json()["field"]) == (409, "policy")
        assert "let it shadow first" in refused.json()["detail"]
    assert await standing(system) == {"linucb": ("live", 1.0)}
    assert (await change(system, policy="linucb", action="enable", weight=0.5)).status_code == 202
    assert await standing(system) == {"linucb": ("live", 0.5)}


async def test_of_two_rollouts_at_one_moment_the_second_knows_of_the_first(system: System) -> None:
    body = {"action": "rollout", "share": 0.2, "force": True, "reason": "tried in a test"}
    both = await asyncio.gather(*(change(system, policy=policy, **body) for policy in ("greedy", "random")))
    assert [answer.status_code for answer in both] == [202, 202]
    weights = {policy: weight for policy, (_, weight) in (await standing(system)).items()}
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["linucb"] == pytest.approx(0.64)


async def test_what_a_person_took_back_may_decide_again_as_it_was(system: System) -> None:
    assert (await change(system, policy="linucb", action="disable")).status_code == 202
    other = await change(system, policy="linucb", action="enable", params={"alpha": 2.0})
    assert other.status_code == 409
    assert (await change(system, policy="linucb", action="enable")).status_code == 202
    assert await standing(system) == {"linucb": ("live", 1.0)}
    for action, params in (("shadow", {"alpha": 100.0}), ("disable", {})):
        assert (await change(system, policy="linucb", action=action, params=params)).status_code == 202
    assert (await change(system, policy="linucb", action="enable")).status_code == 409, "it never decided like that"


async def test_an_arm_in_shadow_gets_no_other_parameters_while_its_experiment_runs(system: System) -> None:
    assert (await change(system, policy="lints", action="shadow", params={"nu": 0.5})).status_code == 202
    arms = [{"policy": "linucb", "weight": 1}, {"policy": "lints", "weight": 3}]
    order = {"experiment_id": "e1", "name": "one", "arms": arms, "salt": "s", "force": True, "reason": "a test"}
    await system.post("/api/admin/experiments", **order)
    await system.folded()
    refused = await change(system, policy="lints", action="shadow", params={"nu": 50.0})
    assert (refused.status_code, refused.json()["field"]) == (409, "policy")
    assert "lints decides for people in experiment e1" in refused.json()["detail"]
    for params in ({}, {"nu": 0.5}):
        assert (await change(system, policy="lints", action="shadow", params=params)).status_code == 202
    forced = {"params": {"nu": 50.0}, "force": True, "reason": "tried in a test"}
    assert (await change(system, policy="lints", action="shadow", **forced)).status_code == 202


@SHARED
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "rollout"}, "share"),
        ({"action": "enable", "share": 0.2}, "share"),
        ({"action": "rollout", "share": 1e-300}, "share"),
        ({"action": "enable", "weight": 5e-324}, "weight"),
    ],
)
async def test_a_share_that_nobody_could_get_is_refused(shared_door: Door, body: dict[str, Any], field: str) -> None:
    refused = await shared_door.admin.post("/api/admin/policies", json={"policy": "linucb"} | body)
    assert (refused.status_code, refused.json()["field"]) == (422, field)


async def test_what_it_shows_in_shadow_lets_it_climb_to_a_share_and_to_all(system: System) -> None:
    assert (await change(system, policy="greedy", action="shadow", params={"epsilon": 0.2})).status_code == 202
    [shadow] = await system.get("/api/admin/policies/shadows")
    assert (shadow["decisions"], shadow["needed_decisions"], shadow["needed_days"]) == (0, 6, 1)
    refused = await change(system, policy="greedy", action="rollout", share=0.2)
    assert "6 more decisions and 1 more days with decisions" in refused.json()["detail"]
    await decide(system, 4)
    refused = await change(system, policy="greedy", action="rollout", share=0.2)
    assert refused.json()["detail"].startswith(
        "greedy has not shadowed for long enough: it still needs 2 more decisions."
    )
    await decide(system, 4)
    [shadow] = await system.get("/api/admin/policies/shadows")
    assert (shadow["decisions"], shadow["days"], shadow["shown_reward"]) == (8, 1, 0.5)
    assert shadow["estimate"] == pytest.approx(0.5), "whatever it had chosen, everybody likes everything"
    assert 0 <= shadow["agreement"] <= 1
    assert shadow["p99_latency_us"] > 0
    other = await change(system, policy="greedy", action="promote", params={"epsilon": 0.3})
    assert "other parameters" in other.json()["detail"]
    assert (await change(system, policy="greedy", action="rollout", share=0.2)).status_code == 202
    assert await standing(system) == {"linucb": ("live", 0.8), "greedy": ("live", 0.2)}
    assert (await change(system, policy="greedy", action="rollout", share=0.5)).status_code == 202
    assert await standing(system) == {"linucb": ("live", 0.5), "greedy": ("live", 0.5)}
    assert (await change(system, policy="greedy", action="promote")).status_code == 202
    assert await standing(system) == {"greedy": ("live", 1.0)}
    alone = await change(system, policy="greedy", action="rollout", share=0.2)
    assert (alone.status_code, alone.json()["field"]) == (409, "share")


async def test_a_rollout_that_leaves_another_policy_next_to_nobody_names_it(system: System) -> None:
    body = {"action": "rollout", "force": True, "reason": "tried in a test"}
    assert (await change(system, policy="greedy", share=1 - 1e-6, **body)).status_code == 202
    before = await standing(system)
    refused = await change(system, policy="softmax", share=0.5, **body)
    assert (refused.status_code, refused.json()["field"]) == (409, "share")
    assert refused.json()["detail"] == "it would leave less than 1e-06 of all people to linucb: disable linucb first"
    assert await standing(system) == before
    assert (await change(system, policy="linucb", action="disable")).status_code == 202
    assert (await change(system, policy="softmax", share=0.5, **body)).status_code == 202


async def test_it_can_be_forced_with_a_reason_that_is_logged(system: System) -> None:
    forced = {"policy": "greedy", "action": "promote", "force": True}
    refused = await change(system, **forced)
    assert (refused.status_code, refused.json()["field"]) == (422, "reason")
    assert (await change(system, **forced, reason="linucb fails tonight")).status_code == 202
    assert await standing(system) == {"greedy": ("live", 1.0)}

    async def told() -> bool:
        actions = await system.get("/api/admin/actions")
        return bool(actions and actions[0]["reason"] == "forced: linucb fails tonight")

    await until(told)
