"""A policy that does worse than the one before is taken back by itself, signed by the system and with the reason."""

import asyncio
from typing import Any

import pytest

from contracts.times import HOUR_US, format_time
from ml.serving import guard
from services.publishing import now_us
from services.settings import Settings
from tests.api.callers import System, settings_for
from tests.servers import NatsServer
from tests.waiting import until


@pytest.fixture
def settings(nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Guardrails that are looked at all the time."""
    monkeypatch.setattr(guard, "LOOK_S", 0.2)
    return settings_for(nats_server.home, nats_server)


async def live(system: System, action: str, **fields: Any) -> None:
    done = await system.post("/api/admin/policies", policy="greedy", action=action, force=True, reason="try", **fields)
    await system.post("/v1/recommendations", user_id="nobody", min_seq=done["seq"])


async def react(system: System, people: range, *, to: dict[str, str]) -> None:
    """Each of these people gets a tip and reacts by who chose it."""
    for number in people:
        made = await system.post("/v1/recommendations", user_id=f"person-{number}")
        action = to[made["policy"]]
        body = {"user_id": f"person-{number}", "action": action, "decision_id": made["decision_id"]}
        await system.post("/v1/feedback", **body)


async def standing(system: System) -> dict[str, str]:
    return {row["policy"]: row["standing"] for row in await system.get("/api/admin/policies")}


@pytest.mark.parametrize("alone", [False, True])
async def test_a_policy_that_does_worse_makes_place_for_the_one_before(system: System, alone: bool) -> None:
    liked = {"linucb": "done", "greedy": "not_helpful"}
    if alone:
        await react(system, range(60), to=liked)
        await live(system, "promote")
        await react(system, range(60), to=liked)
    else:
        await live(system, "rollout", share=0.5)
        await react(system, range(140), to=liked)

    async def taken_back() -> bool:
        now = await standing(system)
        return (now["linucb"], now["greedy"]) == ("live", "disabled")

    await until(taken_back)
    await system.folded()
    action = (await system.get("/api/admin/actions"))[0]
    assert action["actor"] == "system"
    assert "guardrail, beside linucb: mean reward: -1." in action["reason"]
    refused = await system.door.admin.post("/api/admin/policies", json={"policy": "greedy", "action": "enable"})
    assert refused.status_code == 409, "what the system took back proves itself in shadow again"
    await system.post("/api/admin/policies", policy="greedy", action="disable")
    await system.folded()
    refused = await system.door.admin.post("/api/admin/policies", json={"policy": "greedy", "action": "enable"})
    assert refused.status_code == 409, "also once a person has disabled it, which it was"


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whom the guard has looked at, look by look."""
    looks: list[str] = []
    look = guard.Guard.look

    async def counted(self: guard.Guard, climb: guard.Climb) -> None:
        await look(self, climb)
        looks.append(climb.policy)

    monkeypatch.setattr(guard.Guard, "look", counted)
    return looks


async def test_whose_people_have_not_reacted_yet_is_not_taken_back(system: System, looks: list[str]) -> None:
    async def decide(user_id: str) -> dict[str, Any]:
        return await system.post("/v1/recommendations", user_id=user_id)

    async def decide_and_react(user_id: str) -> None:
        body = {"user_id": user_id, "action": "done", "decision_id": (await decide(user_id))["decision_id"]}
        # They take an hour, and so will those who are shown what greedy chooses.
        await system.post("/v1/feedback", **body, occurred_at=format_time(now_us() + HOUR_US))

    people = [f"person-{number}" for number in range(60)]
    await asyncio.gather(*map(decide_and_react, people))
    await live(system, "promote")
    await asyncio.gather(*map(decide, people))
    await system.folded()
    last, looked = (await system.bus.info()).last_seq, len(looks)
    await until(lambda: len(looks) > looked + 1)
    assert (await standing(system))["greedy"] == "live"
    assert (await system.bus.info()).last_seq == last


async def test_a_policy_that_does_as_well_stays(system: System, looks: list[str]) -> None:
    await live(system, "rollout", share=0.5)
    await react(system, range(60), to={"linucb": "helpful", "greedy": "helpful"})
    await system.folded()
    last, looked = (await system.bus.info()).last_seq, len(looks)
    await until(lambda: len(looks) > looked + 1)
    assert (await standing(system))["greedy"] == "live"
    assert (await system.bus.info()).last_seq == last
