"""Recommendations from end to end: the read model, the scorer and the stream are the real ones."""

import asyncio
from typing import Any

import httpx
import pytest

from contracts.envelope import Entry
from contracts.events.person import TipScored
from projections.projector import Projector
from services.bootstrap import open_decoder
from services.bus.jetstream import JetStreamBus
from services.settings import Settings
from tests.api.callers import Door, System, open_door
from tests.conftest import SHARED
from tests.servers import NatsServer
from tests.waiting import until


async def ask(system: System, **body: Any) -> dict[str, Any]:
    return await system.post("/v1/recommendations", **{"user_id": "ada", **body})


async def logged(bus: JetStreamBus, decision_id: str) -> TipScored:
    """The decision as it stands in the stream."""
    decoder, end = await open_decoder(bus), (await bus.info()).last_seq
    async for batch in bus.read(0, upto=end, subjects=["tips.scored.>"]):
        for recorded in batch:
            entry = decoder.decode(recorded)
            assert isinstance(entry, Entry)
            if isinstance(entry.event, TipScored) and entry.event.decision_id == decision_id:
                return entry.event
    raise AssertionError(f"{decision_id} is not in the stream")


async def test_a_recommendation_is_one_tip_of_the_catalog_logged_with_its_propensity(system: System) -> None:
    answer = await ask(system)
    assert {"decision_id", "policy", "tips", "propensity", "state_version", "logged"} <= answer.keys()
    (tip,) = answer["tips"]
    assert set(tip) == {"tip_id", "title", "score", "mean", "bonus"}
    titles = {row["tip_id"]: row["title"] for row in await system.get("/api/admin/tips?active=true")}
    assert titles[tip["tip_id"]] == tip["title"]
    assert (answer["policy"], answer["logged"], answer["state_version"]) == ("linucb", True, 0)
    event = await logged(system.bus, answer["decision_id"])
    assert (event.user_id, event.tip_id, event.propensity) == ("ada", tip["tip_id"], answer["propensity"])
    assert sorted(event.candidate_ids()) == sorted(titles)


@SHARED
async def test_the_first_of_several_is_the_decision_and_the_rest_follow_by_score(shared_system: System) -> None:
    answer = await ask(shared_system, n=5)
    scores = [tip["score"] for tip in answer["tips"]]
    assert len(scores) == 5
    assert scores[1:] == sorted(scores[1:], reverse=True)
    assert len({tip["tip_id"] for tip in answer["tips"]}) == 5
    assert (await logged(shared_system.bus, answer["decision_id"])).tip_id == answer["tips"][0]["tip_id"]
    assert len((await ask(shared_system, n=100))["tips"]) == 40


async def test_the_same_decision_id_gives_the_same_answer_at_any_time(system: System) -> None:
    first = await ask(system, decision_id="mine", n=3)
    feedback = await system.post("/v1/feedback", user_id="ada", action="done", decision_id="mine")
    await system.folded()
    assert await ask(system, decision_id="mine", n=3, min_seq=feedback["seq"]) == first
    together = await asyncio.gather(*(ask(system, decision_id="together") for _ in range(8)))
    assert all(answer == together[0] for answer in together)
    await system.folded()
    assert [row["decision_id"] for row in (await system.get("/api/admin/users/ada"))["decisions"]] == [
        "together",
        "mine",
    ]


@SHARED
async def test_another_persons_decision_id_is_a_conflict(shared_system: System) -> None:
    await ask(shared_system, decision_id="hers")
    answer = await shared_system.door.caller.post("/v1/recommendations", json={"user_id": "bob", "decision_id": "hers"})
    assert (answer.status_code, answer.json()["field"]) == (409, "decision_id")


async def test_feedback_counts_at_the_next_recommendation(system: System) -> None:
    first = await ask(system)
    feedback = await system.post("/v1/feedback", user_id="ada", action="helpful")
    second = await ask(system, min_seq=feedback["seq"])
    assert second["state_version"] == first["state_version"] + 1
    correction = await system.post(
        "/v1/feedback", user_id="ada", action="not_helpful", decision_id=first["decision_id"]
    )
    third = await ask(system, min_seq=correction["seq"])
    assert third["state_version"] == second["state_version"] + 1
    stats = await system.get(f"/api/ml/stats/ada?min_seq={correction['seq']}")
    assert (stats["pulls"], stats["cumulative_reward"]) == (1, -0.5)


async def test_a_signal_is_in_the_context_of_the_next_recommendation(system: System) -> None:
    before = await ask(system)
    assert "sleep_effort" in before["missing"]
    signal = await system.post("/v1/signals", user_id="ada", source="watch", values={"sleep_hours": 8})
    after = await ask(system, min_seq=signal["seq"])
    assert "sleep_effort" not in after["missing"]
    context = (await logged(system.bus, after["decision_id"])).context
    assert (context["signals"]["sleep_hours"]["value"], context["signals"]["sleep_hours"]["source"]) == (8, "watch")


async def test_an_expired_token_makes_the_source_stale_and_its_feature_missing(system: System) -> None:
    signal = await system.post(
        "/v1/signals", user_id="ada", source="watch", values={"sleep_hours": 8}, token_expires_at="2020-01-01T00:00:00Z"
    )
    answer = await ask(system, min_seq=signal["seq"])
    assert answer["stale_sources"] == ["watch"]
    assert "sleep_effort" in answer["missing"]


@SHARED
async def test_what_the_caller_knows_wins_and_what_no_feature_reads_is_named(shared_system: System) -> None:
    answer = await ask(shared_system, context={"sleep_hours": 5, "weather": "rain", "now": "2026-03-04T08:00:00+02:00"})
    assert answer["ignored"] == ["weather"]
    context = (await logged(shared_system.bus, answer["decision_id"])).context
    assert context["now"] == "2026-03-04T08:00:00+02:00"
    assert context["signals"]["sleep_hours"]["source"] == "caller"


@SHARED
async def test_only_the_callers_candidates_are_scored(shared_system: System) -> None:
    chosen = ["power-nap", "call-a-friend"]
    answer = await ask(shared_system, candidates=chosen, n=10)
    assert sorted(tip["tip_id"] for tip in answer["tips"]) == sorted(chosen)
    assert (await logged(shared_system.bus, answer["decision_id"])).candidate_ids() == chosen


async def test_a_disabled_policy_is_avoided_by_the_next_decisions(system: System) -> None:
    assert (await ask(system))["policy"] == "linucb"
    done = await system.post("/api/admin/policies", policy="greedy", action="promote", force=True, reason="now")
    assert (await ask(system, min_seq=done["seq"]))["policy"] == "greedy"
    done = await system.post("/api/admin/policies", policy="greedy", action="disable")
    answer = await ask(system, min_seq=done["seq"])
    assert answer["policy"] == "random"
    assert answer["propensity"] == pytest.approx(1 / 40)


async def test_several_live_policies_split_people_and_a_person_keeps_hers(system: System) -> None:
    done = await system.post("/api/admin/policies", policy="random", action="enable", force=True, reason="split")
    await ask(system, min_seq=done["seq"])
    people = [f"person-{number}" for number in range(12)]
    chosen = {person: (await ask(system, user_id=person))["policy"] for person in people}
    assert set(chosen.values()) == {"linucb", "random"}
    assert chosen == {person: (await ask(system, user_id=person))["policy"] for person in people}


async def test_a_retired_tip_is_not_shown_and_cannot_be_asked_for(system: System) -> None:
    done = await system.post("/api/admin/tips/retired", tip_id="power-nap")
    answer = await ask(system, n=100, min_seq=done["seq"])
    assert "power-nap" not in {tip["tip_id"] for tip in answer["tips"]}
    refused = await system.door.caller.post(
        "/v1/recommendations", json={"user_id": "ada", "candidates": ["call-a-friend", "power-nap", "nowhere"]}
    )
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["candidates[1]", "candidates[2]"]


@SHARED
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"user_id": ""}, "user_id"),
        ({"user_id": "x" * 513}, "user_id"),
        ({"n": 0}, "n"),
        ({"n": 101}, "n"),
        ({"n": "3"}, "n"),
        ({"candidates": []}, "candidates"),
        ({"candidates": ["power-nap", 5]}, "candidates[1]"),
        ({"candidates": ["power-nap", "power-nap"]}, "candidates[1]"),
        ({"decision_id": ""}, "decision_id"),
        ({"min_seq": -1}, "min_seq"),
        ({"min_seq": 2**63}, "min_seq"),
        ({"context": {"steps": "many"}}, "context.steps"),
        ({"context": {"now": "2100-01-01T00:00:00Z"}}, "context.now"),
        ({"context": []}, "context"),
        ({"contexts": {}}, "contexts"),
    ],
)
async def test_a_request_that_cannot_be_answered_is_refused_by_the_name_of_the_field(
    shared_folding: Projector, shared_door: Door, change: dict[str, Any], field: str
) -> None:
    answer = await shared_door.caller.post("/v1/recommendations", json={"user_id": "ada"} | change)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == field


@SHARED
@pytest.mark.parametrize("user_id", ["two words", "a.b", "*", ">", "🌱", "x" * 300, "a/b", "a\x00b"])
async def test_anybody_gets_a_tip_whatever_their_id(shared_system: System, user_id: str) -> None:
    answer = await ask(shared_system, user_id=user_id)
    assert (await logged(shared_system.bus, answer["decision_id"])).user_id == user_id


async def test_while_the_scorer_is_away_the_answer_is_a_503(folding: Projector, door: Door) -> None:
    answer = await door.caller.post("/v1/recommendations", json={"user_id": "ada"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "scorer" in answer.json()["detail"]


async def test_a_connection_that_breaks_is_tried_once_more_under_the_same_decision_id(
    folding: Projector, settings: Settings
) -> None:
    seen: list[bytes] = []

    async def scorer(request: httpx.Request) -> httpx.Response:
        seen.append(await request.aread())
        raise httpx.ReadError("closed", request=request)

    async with open_door(settings, scorer=httpx.MockTransport(scorer)) as door:
        answer = await door.caller.post("/v1/recommendations", json={"user_id": "ada"})
    assert answer.status_code == 503
    assert len(seen) == 2
    assert seen[0] == seen[1]


async def test_a_sequence_that_never_comes_is_a_503_and_not_a_stale_answer(folding: Projector, door: Door) -> None:
    answer = await door.caller.post("/v1/recommendations", json={"user_id": "ada", "min_seq": 10**9})
    assert answer.status_code == 503
    assert "min_seq" in answer.json()["detail"]
    assert answer.json()["field"] == "min_seq"


async def test_while_the_bus_is_away_a_tip_is_given_but_not_said_to_be_logged(
    system: System, nats_server: NatsServer
) -> None:
    await system.folded()
    nats_server.kill()
    answer = await ask(system, decision_id="kept")
    assert answer["logged"] is False
    nats_server.start()

    async def delivered() -> bool:
        return bool((await ask(system, decision_id="kept"))["logged"])

    await until(delivered)
    assert (await logged(system.bus, "kept")).tip_id == answer["tips"][0]["tip_id"]
