"""What the analytics and query processes answer through the API."""

from datetime import UTC, datetime

import pytest

from services.api.admin.reports import report
from services.bus.errors import RequestFailed
from tests.api.callers import System
from tests.waiting import until

CONTEXT = {"now": "2026-03-04T08:00:00Z"}


async def test_rewards_and_data_quality_come_from_the_analytics_process(system: System) -> None:
    for number in range(4):
        decision = await system.post("/v1/recommendations", user_id=f"person-{number}")
        if number < 3:
            action = ("helpful", "done", "dismissed")[number]
            decision_id = decision["decision_id"]
            await system.post("/v1/feedback", user_id=f"person-{number}", action=action, decision_id=decision_id)
    await system.folded()
    rewards = await system.get("/api/admin/reward-analytics")
    assert set(rewards) == {"daily", "policies", "experiments"}
    (policy,) = rewards["policies"]
    assert (policy["policy"], policy["decisions"]) == ("linucb", 4)
    assert policy["reward_per_decision"] == (0.5 + 1.0 - 0.25) / 4
    (day,) = (await system.get("/api/admin/data-quality?limit=10"))["daily"]
    assert day["decisions"] == 4


async def test_a_report_is_rows_by_column(system: System) -> None:
    await system.post("/v1/recommendations", user_id="ann")
    await system.folded()
    parts = system.door.app.state.parts
    (day,) = await report(parts, "daily_reactions", since=datetime(2020, 1, 1, tzinfo=UTC), external=False)
    assert (day["decisions"], day["reacted"]) == (1, 0)
    assert await report(parts, "daily_reactions", external=True) == []
    with pytest.raises(RequestFailed, match="there is no report 'luck'"):
        await report(parts, "luck")


async def test_sql_is_answered_within_limits_and_logged_in_the_admins_name(system: System) -> None:
    await system.folded()
    answer = await system.post("/api/admin/sql", sql="select count(*) as tips from tips where active")
    assert (answer["columns"], answer["rows"], answer["truncated"]) == (["tips"], [[40]], False)
    assert answer["duration_us"] > 0

    refused = await system.door.admin.post("/api/admin/sql", json={"sql": "drop table tips"})
    assert (refused.status_code, refused.json()["field"]) == (422, "sql")
    assert "SELECT" in refused.json()["detail"]

    broken = await system.door.admin.post("/api/admin/sql", json={"sql": "select luck from tips"})
    assert (broken.status_code, broken.json()["field"]) == (422, "sql")
    assert "luck" in broken.json()["detail"]

    async def logged() -> bool:
        actions = await system.get("/api/admin/actions?limit=10")
        ran = [row for row in actions if row["type"] == "tipstream.sql.executed.v1"]
        told = {(row["actor"], row["body"]["door"], row["body"]["outcome"]) for row in ran}
        return told == {("admin", "console", outcome) for outcome in ("ok", "refused", "failed")}

    await until(logged)


async def test_the_scorer_is_reached_through_the_gate(system: System) -> None:
    await system.post("/v1/recommendations", user_id="a/b c")
    await system.folded()
    stats = await system.get("/api/ml/stats/a%2Fb%20c")
    assert (stats["user_id"], stats["pulls"]) == ("a/b c", 0)
    features = await system.get("/api/ml/features/a%2Fb%20c")
    assert len(features["features"]) == 1
    assert (await system.get("/api/ml/health"))["state"] == "up"
    metrics = await system.door.admin.get("/api/ml/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    scored = await system.post("/api/ml/score", user_id="ada", context=CONTEXT, candidates=["power-nap"])
    assert scored["tip_id"] == "power-nap"
    refused = await system.door.admin.post("/api/ml/score", json={"user_id": "ada"})
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert (await system.door.admin.get("/api/ml/secrets")).status_code == 404
