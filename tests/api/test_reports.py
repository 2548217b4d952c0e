"""What the analytics and query processes answer through the API."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from contracts.envelope import Message
from ml.features.definitions import WELLBEING_V1
from services.api.admin.commands import folded
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
    assert set(rewards) == {"daily", "reactions", "policies", "random", "experiments"}
    (policy,) = rewards["policies"]
    assert (policy["policy"], policy["decisions"]) == ("linucb", 4)
    assert policy["reward_per_decision"] == (0.5 + 1.0 - 0.25) / 4
    (reactions,) = rewards["reactions"]
    assert (reactions["decisions"], reactions["reacted"], reactions["helpful"]) == (4, 3, 1)
    # No decision is older than a day yet.
    assert (rewards["random"]["decisions"], rewards["random"]["estimate"]) == (0, None)
    quality = await system.get("/api/admin/data-quality?limit=10")
    (day,) = quality["daily"]
    assert (day["decisions"], day["missing_rate"] > 0, day["expected_source_days"]) == (4, True, 0)
    assert {row["feature_set"] for row in quality["missing"]} == {"wellbeing.v1"}
    assert (quality["stale"], quality["dead_letters"]) == ([], [])
    assert await system.get("/api/admin/data-quality/drift?days=1") == [], "nothing happened the day before"
    moved = await system.get("/api/admin/data-quality/drift?days=1&first_seq=1&last_seq=100000")
    assert {row["name"] for row in moved} == set(WELLBEING_V1.names)
    assert {(row["psi"], row["reference_values"], row["window_values"]) for row in moved} == {(0.0, 4, 4)}
    refused = await system.door.admin.get("/api/admin/data-quality/drift?first_seq=5&last_seq=4")
    assert (refused.status_code, refused.json()["field"]) == (422, "last_seq")
    (tip, *_) = await system.get("/api/admin/reward-analytics/tips?source=ours")
    assert (tip["external"], tip["title"] is not None) == (False, True)
    categories = await system.get("/api/admin/reward-analytics/categories")
    assert sum(row["decisions"] for row in categories) == 4


async def test_a_window_bounds_the_days_and_is_refused_when_it_says_two_things(system: System) -> None:
    now = datetime.now(UTC)
    for days in (0, 3):
        said = {"decision_id": f"d{days}", "user_id": "ann", "context": {"now": f"{now - timedelta(days=days):%FT%TZ}"}}
        await system.post("/v1/recommendations", **said)
    await system.folded()
    (today,) = (await system.get("/api/admin/reward-analytics?days=1"))["reactions"]
    assert (today["day"], today["decisions"]) == (f"{now:%F}", 2)
    assert (await system.get("/api/admin/reward-analytics?source=imported"))["daily"] == []
    yesterday = f"{now - timedelta(days=1):%F}"
    assert (await system.get(f"/api/admin/reward-analytics?until={yesterday}"))["policies"] == []
    for query, field in (
        (f"days=7&since={yesterday}", "days"), (f"since={now:%F}&until={yesterday}", "until"), ("days=0", "days"),
        ("source=mine", "source"), ("since=yesterday", "since"), ("until=9999-12-31", "until"),
    ):  # fmt: skip
        refused = await system.door.admin.get(f"/api/admin/reward-analytics?{query}")
        assert (refused.status_code, refused.json()["field"]) == (422, field), query
    for field in ("first_seq", "last_seq"):
        refused = await system.door.admin.get(f"/api/admin/data-quality/drift?{field}=99999999999999999999")
        assert (refused.status_code, refused.json()["field"]) == (422, field)


async def test_what_was_learned_is_told_of_everybody_and_of_one_and_a_reset_forgets_it(system: System) -> None:
    for number, action in enumerate(("helpful", "done", "dismissed", None)):
        decision = await system.post("/v1/recommendations", user_id="a/b", decision_id=f"d{number}")
        if action:
            await system.post("/v1/feedback", user_id="a/b", action=action, decision_id=decision["decision_id"])
    await system.folded()
    everybody = await system.get("/api/admin/experiments/population?days=2")
    assert (everybody["figures"]["people"], everybody["figures"]["pulls"]) == (1, 3)
    steps = [(step["from_pulls"], step["to_pulls"], step["people"]) for step in everybody["distribution"]]
    assert steps == [(0, 0, 0), (1, 1, 0), (2, 2, 0), (3, 3, 1)]
    assert [row["reacted"] for row in everybody["daily"]] == [3]
    assert [(row["from_reaction"], row["reward_per_reaction"]) for row in everybody["learning"]] == [
        (1, 0.5), (2, 1.0), (3, -0.25),
    ]  # fmt: skip

    one = await system.get("/api/admin/experiments/users/a%2Fb")
    assert (one["pulls"], one["cumulative_reward"], one["reset_seq"]) == (3, 1.25, 0)
    assert [point["cumulative_reward"] for point in one["curve"]] == [0.5, 1.5, 1.25]
    bias = one["weights"][0]
    assert (bias["feature"], bias["width"]) == ("bias", pytest.approx(one["alpha"] * bias["uncertainty"]))
    assert bias["description"] == "1 for every tip at every moment"
    # A is lambda I + sum x x', so that three pulls of a feature that is always 1 leave less than the prior's doubt.
    assert 0 < bias["uncertainty"] < 1

    plan = await system.post("/api/admin/users/a%2Fb/reset", dry_run=True)
    assert plan == {
        "user_id": "a/b", "pulls": 3, "cumulative_reward": 1.25, "feature_sets": ["wellbeing.v1"], "unanswered": 1,
        "reset_seq": 0,
    }  # fmt: skip
    assert (await system.get("/api/admin/experiments/users/a%2Fb"))["pulls"] == 3
    done = await system.post("/api/admin/users/a%2Fb/reset", reason="asked")
    await system.folded()
    after = await system.get("/api/admin/experiments/users/a%2Fb")
    assert (after["pulls"], after["cumulative_reward"], after["reset_seq"]) == (0, 0.0, done["seq"])
    assert len(after["curve"]) == 3
    assert (await system.post("/api/admin/users/a%2Fb/reset", dry_run=True))["unanswered"] == 0


async def test_what_was_learned_is_never_older_than_the_read_model(system: System) -> None:
    parts = system.door.app.state.parts
    await system.post("/v1/recommendations", user_id="ann", decision_id="d")
    await system.post("/v1/feedback", user_id="ann", action="helpful", decision_id="d")
    done = await system.post("/api/admin/users/ann/reset")
    assert await folded(parts, done["seq"])
    waited_for: list[int] = []

    async def noted(request: httpx.Request) -> None:
        waited_for.append(int(request.url.params["min_seq"]))

    # The scorer is behind the read model only now and then; that it was told what to wait for can be seen always.
    parts.scorer.event_hooks = {"request": [noted]}
    assert (await system.get("/api/admin/experiments/users/ann"))["reset_seq"] == done["seq"]
    assert waited_for == [parts.read_model.seq()]


async def test_dead_letters_are_counted_by_reason_and_read_by_reason(system: System) -> None:
    await system.bus.publish(Message("tips.feedback.helpful.ann", {"Nats-Msg-Id": "one"}, b"no json"))
    await system.bus.publish(Message("tips.feedback.luck.ann", {"Nats-Msg-Id": "two"}, b"{}"))
    await system.folded()
    counted = (await system.get("/api/admin/data-quality"))["dead_letters"]
    assert sorted((row["letters"], row["open"]) for row in counted) == [(1, 1), (1, 1)]
    for row in counted:
        (letter,) = await system.get(f"/api/admin/dead-letters?reason={row['reason']}")
        assert (letter["reason"], letter["recorded_at"]) == (row["reason"], row["latest"])
    await system.post(f"/api/admin/dead-letters/{letter['seq']}/skip")
    await system.folded()
    counted = (await system.get("/api/admin/data-quality"))["dead_letters"]
    assert {row["reason"]: row["open"] for row in counted}[letter["reason"]] == 0


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
