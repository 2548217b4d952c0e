"""The decision log, one decision with its grounds, and a person's feature vectors, through the API."""

from typing import Any
from urllib.parse import quote

import pytest

from contracts.codec import encode
from contracts.events.person import ShadowScored, TipScored
from contracts.times import parse_time
from ml.features.definitions import WELLBEING_V1
from projections.projector import Projector
from services.api.admin import grounds
from services.bus.jetstream import JetStreamBus
from tests.api.callers import Door, System
from tests.conftest import SHARED

OLD = "2025-11-01T08:00:00Z"


def imported(decision_id: str, user_id: str, day: int, **fields: Any) -> TipScored:
    """Somebody else's decision, on a day of January 2025."""
    return TipScored(
        decision_id=decision_id,
        user_id=user_id,
        occurred_at=parse_time(f"2025-01-{day:02}T12:00:00Z"),
        **{
            "policy": "obd_random", "feature_set": "obd", "context": {}, "candidates": ["shoe", "hat"], "tip_id": "hat",
            "propensity": 0.5, "features": {"colour": "red", "size": 2.0}, "external": True, **fields,
        },
    )  # fmt: skip


async def publish(bus: JetStreamBus, *decisions: TipScored) -> None:
    for one in decisions:
        await bus.publish(encode(one, event_id=one.decision_id, source="/test"))


async def ids(system: System, **query: str | int) -> list[str]:
    asked = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
    page = await system.get(f"/api/admin/decisions?{asked}")
    return [row["decision_id"] for row in page["decisions"]]


async def test_the_log_is_searched_by_every_filter_and_paged(system: System) -> None:
    await publish(
        system.bus,
        *(imported(f"a{number}", "ada", number + 1) for number in range(5)),
        imported("b", "bob", 9, tip_id="shoe", policy="obd_bts"),
    )
    await system.post("/v1/feedback", user_id="ada", action="helpful", decision_id="a1")
    await system.folded()
    everything = ["b", "a4", "a3", "a2", "a1", "a0"]
    assert await ids(system) == everything
    assert await ids(system, user_id="ada") == everything[1:]
    assert await ids(system, tip_id="shoe") == await ids(system, policy="obd_bts") == ["b"]
    assert await ids(system, since="2025-01-03T12:00:00Z", until="2025-01-05T12:00:00Z") == ["a3", "a2"]
    assert await ids(system, reacted="true") == ["a1"]
    assert await ids(system, user_id="ada", reacted="false", policy="obd_random") == ["a4", "a3", "a2", "a0"]
    assert await ids(system, user_id="nobody") == await ids(system, tip_id="nothing") == []
    for fixed in ({}, {"user_id": "ada"}, {"policy": "obd_random"}, {"user_id": "ada", "reacted": "false"}):
        whole = await ids(system, **fixed)
        paged: list[str] = []
        page: dict[str, Any] = {"next": 2**63 - 1}
        while page["next"] is not None:
            asked = {**fixed, "before": page["next"], "limit": 2}
            page = await system.get("/api/admin/decisions?" + "&".join(f"{key}={asked[key]}" for key in asked))
            paged += [row["decision_id"] for row in page["decisions"]]
        assert paged == whole


async def test_both_stores_tell_of_a_decision_alike(system: System) -> None:
    decision = await system.post("/v1/recommendations", user_id="ada", context={"steps": 900})
    await system.post("/v1/feedback", user_id="ada", action="done", decision_id=decision["decision_id"])
    await system.folded()
    (row,) = (await system.get("/api/admin/decisions?user_id=ada"))["decisions"]
    assert (await system.get("/api/admin/decisions?policy=linucb"))["decisions"] == [row]
    assert (row["decision_id"], row["outcome"], row["reward"]) == (decision["decision_id"], "done", 1.0)
    assert row["score"] == row["mean"] + row["bonus"] == decision["tips"][0]["score"]


@SHARED
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("before=x", "before"),
        ("since=yesterday", "since"),
        ("until=2025-01-01", "until"),
        ("reacted=perhaps", "reacted"),
        ("user_id=", "user_id"),
        ("policy=a%20b", "policy"),
        ("luck=1", "luck"),
    ],
)
async def test_a_filter_that_cannot_be_used_is_named(shared_door: Door, query: str, field: str) -> None:
    answer = await shared_door.admin.get(f"/api/admin/decisions?{query}")
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_the_latest_and_a_persons_decisions_need_no_analytics(
    door: Door, folding: Projector, bus: JetStreamBus
) -> None:
    await publish(bus, imported("a", "ada", 1))
    await folding.wait_for((await bus.info()).last_seq)
    for query, status in (("", 200), ("user_id=ada", 200), ("policy=obd_random", 503), ("reacted=true", 503)):
        assert (await door.admin.get(f"/api/admin/decisions?{query}")).status_code == status, query
    found = (await door.admin.get("/api/admin/decisions/a")).json()
    assert found["shadows"] == []
    assert "the analytics process did not answer" in found["shadows_problem"]


async def test_one_decision_says_why(system: System) -> None:
    for _ in range(3):
        past = await system.post("/v1/recommendations", user_id="ada")
        told = await system.post("/v1/feedback", user_id="ada", action="helpful", decision_id=past["decision_id"])
    context = {
        "steps": 900,
        "signals": {
            "sleep_hours": {"value": 5, "source": "ring", "observed_at": OLD, "token_expires_at": OLD},
            "mood": {"value": 2, "source": "diary", "observed_at": OLD},
        },
    }
    asked = {"user_id": "ada", "context": context, "min_seq": told["seq"], "decision_id": "the/one"}
    decision = await system.post("/v1/recommendations", n=40, **asked)
    await system.post("/v1/feedback", user_id="ada", action="done", decision_id="the/one")
    await system.post("/v1/feedback", user_id="ada", action="not_helpful", decision_id="the/one")
    tip_id = decision["tips"][0]["tip_id"]
    shadow = ShadowScored(
        decision_id="the/one", user_id="ada", policy="greedy", state_version=3, tip_id=tip_id, score=0.25,
        propensity=0.9, agreed=True, chosen_propensity=0.9, occurred_at=parse_time(OLD),
    )  # fmt: skip
    await system.bus.publish(encode(shadow, event_id="shadow", source="/test"))
    await system.folded()

    why = await system.get("/api/admin/decisions/the%2Fone")
    assert why["decision"]["tip_id"] == why["terms"]["tip_id"] == tip_id
    assert (why["recomputation"]["verdict"], why["recomputation"]["events"]) == ("identical", 7)
    assert why["state_version"] == 3
    scores = {one["tip_id"]: (one["mean"], one["bonus"], one["score"]) for one in why["candidates"]}
    assert scores == {one["tip_id"]: (one["mean"], one["bonus"], one["score"]) for one in decision["tips"]}
    terms = why["terms"]
    assert abs(sum(term["contribution"] for term in terms["terms"]) - terms["mean"]) < 1e-12
    assert (terms["mean"], terms["bonus"], terms["score"]) == scores[tip_id]
    assert abs(sum(one["propensity"] for one in why["candidates"]) - 1) < 1e-12
    assert [one["tip_id"] for one in why["candidates"] if one["chosen"]] == [tip_id]

    signals = {one["name"]: (one["value"], one["source"], one["imputed"]) for one in why["signals"]}
    assert signals == {
        "steps": (900.0, "caller", None), "sleep_hours": (5.0, "ring", "expired"), "mood": (2.0, "diary", "old"),
        "stress": (None, "mood", "absent"), "screen_minutes": (None, "screen", "absent"),
        "meetings_left": (None, "calendar", "absent"),
    }  # fmt: skip
    marks = {one["name"]: one["mark"] for one in why["features"] if one["mark"]}
    assert marks == {
        "meetings_duration": "missing", "sedentary_movement": "missing", "sleep_effort": "stale",
        "strain_calm": "missing",
    }  # fmt: skip
    assert why["stale_sources"] == ["ring"]
    assert [(one["action"], one["effect"]) for one in why["reactions"]] == [
        ("done", "pull"), ("not_helpful", "correction"),
    ]  # fmt: skip
    assert [(one["policy"], one["agreed"]) for one in why["shadows"]] == [("greedy", True)]
    assert why["rule"].startswith("The highest score is shown. The bonus is alpha times")
    today = why["today"]
    assert (today["state_version"], today["standing"], today["left_out"]) == (5, "live", [])
    assert today["score"] == max(one["score_today"] for one in why["candidates"])

    rival = next(one["tip_id"] for one in why["candidates"] if not one["chosen"])
    other = await system.get(f"/api/admin/decisions/the%2Fone?candidate={rival}")
    assert (other["terms"]["tip_id"], other["terms"]["mean"]) == (rival, scores[rival][0])
    refused = await system.door.admin.get("/api/admin/decisions/the%2Fone?candidate=luck")
    assert (refused.status_code, refused.json()["field"]) == (422, "candidate")

    vectors = await system.get("/api/admin/users/ada/features")
    assert vectors["vectors"][0]["decision_id"] == "the/one"
    assert vectors["vectors"][0]["marks"] == marks
    # In the order of the columns, which the rows do not keep.
    assert [one["name"] for one in vectors["features"]] == list(WELLBEING_V1.names)
    assert vectors["vectors"][0]["features"] == {term["feature"]: term["x"] for term in terms["terms"]}
    assert len(vectors["vectors"]) == 4


async def test_somebody_elses_decision_is_shown_as_it_was_told(system: System) -> None:
    await publish(system.bus, imported("a", "ada", 1))
    await system.folded()
    why = await system.get("/api/admin/decisions/a")
    assert (why["recomputation"]["verdict"], why["terms"], why["today"]) == ("external", None, None)
    assert [(one["name"], one["value"], one["mark"]) for one in why["features"]] == [
        ("colour", "red", None), ("size", 2.0, None),
    ]  # fmt: skip
    assert [(one["tip_id"], one["propensity"]) for one in why["candidates"]] == [("shoe", None), ("hat", 0.5)]
    assert why["reactions"] == why["shadows"] == why["signals"] == []
    assert "somebody else" in why["today_problem"]
    assert (await system.get("/api/admin/users/ada/features"))["vectors"] == []


async def test_a_long_past_is_not_read_and_that_is_said(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grounds, "MOST_EVENTS", 1)
    for decision_id in ("first", "second"):
        await system.post("/v1/recommendations", user_id="ada", decision_id=decision_id)
    await system.folded()
    assert (await system.get("/api/admin/decisions/first"))["recomputation"]["verdict"] == "identical"
    why = await system.get("/api/admin/decisions/second")
    assert (why["recomputation"]["verdict"], why["terms"]) == ("not_recomputed", None)
    assert "ada has 2 decisions and reactions" in why["recomputation"]["said"]
    assert why["today"] is not None


async def test_a_decision_that_is_not_there_is_a_404(system: System) -> None:
    await system.post("/v1/recommendations", user_id="ada", decision_id="gone")
    await system.folded()
    (row,) = (await system.get("/api/admin/decisions"))["decisions"]
    await system.bus.delete(row["seq"])
    for decision_id, said in (("never", "no such decision"), ("gone", "no longer holds")):
        answer = await system.door.admin.get(f"/api/admin/decisions/{decision_id}")
        assert (answer.status_code, answer.json()["field"]) == (404, "decision_id")
        assert said in answer.json()["detail"]
    assert (await system.get("/api/admin/users/nobody/features"))["vectors"] == []
