"""The history of admin actions: filtered by actor, type and text, paged, and each with what came of it."""

from typing import Any
from urllib.parse import urlencode

from tests.api.callers import System


async def shown(system: System, **filters: Any) -> list[dict[str, Any]]:
    """The actions that the filters leave, once everything is folded."""
    await system.folded()
    found: list[dict[str, Any]] = await system.get(f"/api/admin/actions?{urlencode(filters)}")
    return found


async def test_actions_are_filtered_paged_and_say_what_came_of_them(system: System) -> None:
    await system.post("/api/admin/policies", policy="greedy", action="shadow", reason="To Learn More")
    await system.post("/api/admin/policies", policy="greedy", action="disable")
    await system.post("/api/admin/sql", sql="SELECT 41 + 1")
    asked = await system.post("/api/admin/replay-signal", projections=["sqlite"])
    kinds = [row["type"].removeprefix("tipstream.") for row in await shown(system, limit=4)]
    assert kinds == ["replay.requested.v1", "sql.executed.v1", "policy.disabled.v1", "policy.shadowed.v1"]
    (row,) = await shown(system, type="tipstream.policy.shadowed")
    assert (row["actor"], row["reason"], row["result"]) == ("admin", "To Learn More", "done")
    assert row["body"]["policy"] == "greedy"
    assert [found["seq"] for found in await shown(system, text="learn more")] == [row["seq"]]
    assert await shown(system, text="' OR 1=1 --") == []
    assert await shown(system, actor="nobody") == []
    (statement,) = await shown(system, text="41 + 1")
    assert (statement["body"]["sql"], statement["result"]) == ("SELECT 41 + 1", "ok")
    assert statement["seq"] not in [found["seq"] for found in await shown(system, statements="false")]
    (replay,) = await shown(system, text=asked["replay_id"])
    assert replay["result"] == "running"
    await system.post("/api/admin/users/ada/reset")
    (reset,) = await shown(system, type="tipstream.bandit.reset")
    assert reset["user_id"] == "ada"
    older = await shown(system, before=row["seq"], limit=1)
    assert older[0]["seq"] < row["seq"]
    names = {found["actor"]: found["actions"] for found in await system.get("/api/admin/actions/actors")}
    assert names["admin"] >= 3
    assert len(names) >= 2
