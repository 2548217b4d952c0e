"""The admin routes: what they show is the read model's, what they change is a signed event."""

import json
from typing import Any

import httpx
import pytest

from contracts.envelope import Entry, Message
from projections.projector import Projector
from services.bootstrap import open_decoder
from services.bus.jetstream import JetStreamBus
from tests.api.callers import Door
from tests.conftest import SHARED


async def done(answer: httpx.Response, folding: Projector) -> dict[str, Any]:
    """A command's answer, once the read model has it."""
    assert answer.status_code == 202, answer.text
    said: dict[str, Any] = answer.json()
    await folding.wait_for(said["seq"])
    return said


async def rows(door: Door, path: str) -> list[dict[str, Any]]:
    answer = await door.admin.get(path)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def latest_action(door: Door) -> dict[str, Any]:
    """The last admin action that is folded."""
    found: dict[str, Any] = door.app.state.parts.read_model.admin_actions(1)[0]
    return found


async def test_a_command_is_signed_in_the_admins_name_and_stands_in_the_history(
    door: Door, folding: Projector, bus: JetStreamBus
) -> None:
    answer = await door.admin.post("/api/admin/users/ada/reset", json={"reason": "she asked for it"})
    said = await done(answer, folding)
    recorded = await bus.get(said["seq"])
    assert recorded is not None
    entry = (await open_decoder(bus)).decode(recorded)
    assert isinstance(entry, Entry)
    assert (entry.actor, entry.event_id) == ("admin", said["event_id"])
    action = latest_action(door)
    assert (action["seq"], action["actor"], action["reason"]) == (said["seq"], "admin", "she asked for it")
    assert json.loads(action["body"]) == {"reason": "she asked for it", "user_id": "ada"}
    assert action["type"] == "tipstream.bandit.reset.v1"


async def test_policies_are_enabled_shadowed_promoted_and_disabled(door: Door, folding: Projector) -> None:
    async def change(**body: Any) -> dict[str, Any]:
        await done(await door.admin.post("/api/admin/policies", json=body), folding)
        return {row["policy"]: row for row in await rows(door, "/api/admin/policies")}

    forced = {"force": True, "reason": "try it"}
    standing = await change(policy="greedy", action="enable", weight=0.25, params={"epsilon": 0.1}, **forced)
    assert {name: row["standing"] for name, row in standing.items()} == {
        "linucb": "live", "greedy": "live", "random": "disabled",
    }  # fmt: skip
    assert (standing["greedy"]["weight"], standing["greedy"]["params"]) == (0.25, {"epsilon": 0.1})
    assert standing["greedy"]["changed_by"] == "admin"
    assert (await change(policy="random", action="shadow"))["random"]["standing"] == "shadow"
    standing = await change(policy="greedy", action="promote")
    assert [name for name, row in standing.items() if row["standing"] == "live"] == ["greedy"]
    assert (await change(policy="greedy", action="disable"))["greedy"]["standing"] == "disabled"


@SHARED
@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("policies", {"policy": "lucky", "action": "enable"}, "policy"),
        ("policies", {"policy": "linucb", "action": "cheer"}, "action"),
        ("policies", {"policy": "linucb", "action": "enable", "weight": 0}, "weight"),
        ("policies", {"policy": "linucb", "action": "enable", "params": {"beta": 1}}, "params.beta"),
        ("policies", {"policy": "linucb", "action": "enable", "params": {"alpha": -1}}, "params.alpha"),
        ("policies", {"policy": "greedy", "action": "shadow", "params": {"alpha": 1}}, "params.alpha"),
        ("policies", {"policy": "lints", "action": "promote", "params": {"nu": 101}}, "params.nu"),
        ("policies", {"policy": "softmax", "action": "enable", "params": {"temperature": 0}}, "params.temperature"),
        ("policies", {"policy": "linucb"}, "action"),
        ("policies", {"policy": "linucb", "action": "rollout", "share": 1.0}, "share"),
        ("policies", {"policy": "greedy", "action": "promote", "force": True, "reason": " "}, "reason"),
        ("tips", {"tip_id": "t", "title": "T", "category": "luck", "effort": 1, "minutes": 1}, "category"),
        ("tips", {"tip_id": "t", "title": "T", "category": "mind", "effort": 9, "minutes": 1}, "effort"),
        ("tips/retired", {"tip_id": "never-published"}, "tip_id"),
        ("replay-signal", {"projections": ["postgres"]}, "projections[0]"),
        ("replay-signal", {"projections": []}, "projections"),
        ("replay-signal", {"upto_seq": 1, "upto_time": "2026-01-01T00:00:00Z"}, "upto_seq"),
        ("replay-signal", {"upto_seq": 10**9}, "upto_seq"),
        ("replay-signal", {"upto_time": "2001-01-01T00:00:00Z"}, "upto_time"),
        ("replay-signal", {"upto_seq": 10**9, "dry_run": True}, "upto_seq"),
        ("replay-signal", {"back": True, "user_id": "ada"}, "user_id"),
        ("replay-signal", {"back": True, "upto_seq": 3}, "upto_seq"),
        ("saved-queries", {"name": "", "sql": "select 1"}, "name"),
        ("saved-queries", {"name": "n", "sql": "x" * 20_001}, "sql"),
        ("sql", {"sql": ""}, "sql"),
        ("dead-letters/0/skip", {}, "seq"),
        ("users/ada/reset", {"reason": 5}, "reason"),
    ],
)
async def test_a_command_that_cannot_be_carried_out_is_refused_by_the_name_of_the_field(
    shared_door: Door, shared_folding: Projector, path: str, body: dict[str, Any], field: str
) -> None:
    answer = await shared_door.admin.post(f"/api/admin/{path}", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == field
    assert answer.headers["content-type"] == "application/problem+json"


async def test_tips_are_published_changed_and_retired(door: Door, folding: Projector) -> None:
    tip = {"tip_id": "hum a tune", "title": "Hum a tune", "body": "Any.", "category": "mind", "effort": 1, "minutes": 2}
    await done(await door.admin.post("/api/admin/tips", json=tip), folding)
    await done(await door.admin.post("/api/admin/tips", json=tip | {"minutes": 3}), folding)
    found = {row["tip_id"]: row for row in await rows(door, "/api/admin/tips?active=true")}
    assert len(found) == 41
    assert (found["hum a tune"]["minutes"], found["hum a tune"]["active"]) == (3, True)
    await done(await door.admin.post("/api/admin/tips/retired", json={"tip_id": "hum a tune"}), folding)
    assert [row["tip_id"] for row in await rows(door, "/api/admin/tips?active=false")] == ["hum a tune"]


@SHARED
@pytest.mark.parametrize("user_id", ["ada", "a/b", "..", "reset", "a b?c#d", "a\nb", "🌱", "*.>"])
async def test_a_person_is_found_under_any_id(shared_door: Door, shared_folding: Projector, user_id: str) -> None:
    body = {"user_id": user_id, "source": "phone", "values": {"steps": 5000, "mood": 4}}
    await done(await shared_door.caller.post("/v1/signals", json=body), shared_folding)
    encoded = "".join(f"%{byte:02X}" for byte in user_id.encode())
    person = (await shared_door.admin.get(f"/api/admin/users/{encoded}")).json()
    assert (person["user"]["user_id"], person["user"]["signals"]) == (user_id, 1)
    assert {row["name"]: row["value"] for row in person["online_features"]} == {"mood": 4.0, "steps": 5000.0}
    await done(await shared_door.admin.post(f"/api/admin/users/{encoded}/reset"), shared_folding)
    assert json.loads(latest_action(shared_door)["body"])["user_id"] == user_id


async def test_people_are_listed_and_searched_and_nobody_is_a_404(door: Door, folding: Projector) -> None:
    for user_id in ("ada", "adam", "eve"):
        body = {"user_id": user_id, "action": "helpful"}
        await done(await door.caller.post("/v1/feedback", json=body), folding)
    assert [row["user_id"] for row in await rows(door, "/api/admin/users")] == ["eve", "adam", "ada"]
    assert [row["user_id"] for row in await rows(door, "/api/admin/users?search=ada&limit=1")] == ["adam"]
    assert [row["user_id"] for row in await rows(door, "/api/admin/users?search=ada&offset=1")] == ["ada"]
    answer = await door.admin.get("/api/admin/users/nobody")
    assert (answer.status_code, answer.json()["field"]) == (404, "user_id")


async def test_a_slash_that_is_not_encoded_names_nobody(door: Door, folding: Projector) -> None:
    assert (await door.admin.get("/api/admin/users/a/b")).status_code == 404
    assert (await door.admin.post("/api/admin/users/a/b/reset")).status_code == 404
    assert (await door.admin.post("/api/admin/users/a%2Freset")).status_code == 404
    assert (await door.admin.get("/api/admin/users/%FF")).status_code == 422


async def test_a_dead_letter_is_shown_with_its_bytes_and_put_aside(
    door: Door, folding: Projector, bus: JetStreamBus
) -> None:
    ack = await bus.publish(Message("tips.feedback.helpful.ada", {"Nats-Msg-Id": "one"}, b"not json \xff"))
    await folding.wait_for(ack.seq)
    (letter,) = await rows(door, "/api/admin/dead-letters")
    assert (letter["reason"], letter["data"], letter["skipped_by"]) == ("not_json", "bm90IGpzb24g/w==", None)
    await done(await door.admin.post(f"/api/admin/dead-letters/{letter['seq']}/skip", json={"reason": "seen"}), folding)
    (letter,) = await rows(door, "/api/admin/dead-letters")
    assert letter["skipped_by"] == "admin"


async def test_queries_are_kept_changed_and_deleted(door: Door, folding: Projector) -> None:
    query = {"name": "all", "sql": "select 1"}
    kept = await done(await door.admin.post("/api/admin/saved-queries", json=query), folding)
    query = {"name": "all of it", "sql": "select 2", "query_id": kept["query_id"]}
    await done(await door.admin.post("/api/admin/saved-queries", json=query), folding)
    (row,) = await rows(door, "/api/admin/saved-queries")
    assert (row["name"], row["sql"], row["owner"]) == ("all of it", "select 2", "admin")
    await done(await door.admin.delete(f"/api/admin/saved-queries/{kept['query_id']}"), folding)
    assert await rows(door, "/api/admin/saved-queries") == []
    assert (await door.admin.delete(f"/api/admin/saved-queries/{kept['query_id']}")).status_code == 404


async def test_a_replay_is_asked_for_and_followed(door: Door, folding: Projector) -> None:
    asked = await done(await door.admin.post("/api/admin/replay-signal", json={"projections": ["sqlite"]}), folding)
    followed = (await door.admin.get(f"/api/admin/replay-signal/{asked['replay_id']}")).json()
    assert (followed["mode"], followed["projections"], followed["outcome"]) == ("rebuild", ["sqlite"], None)
    assert followed["requested_by"] == "admin"
    assert [row["replay_id"] for row in await rows(door, "/api/admin/replay-signal")] == [asked["replay_id"]]
    assert (await door.admin.get("/api/admin/replay-signal/none")).status_code == 404


async def test_a_dry_run_answers_with_its_plan_and_leaves_the_log_as_it_was(
    door: Door, folding: Projector, bus: JetStreamBus
) -> None:
    before = (await bus.info()).last_seq
    answer = await door.admin.post("/api/admin/replay-signal", json={"dry_run": True})
    assert answer.status_code == 200
    assert [one["projection"] for one in answer.json()["touched"]] == ["sqlite", "analytics", "query", "scorer"]
    assert answer.json()["events"] == before == (await bus.info()).last_seq


async def test_what_another_process_should_answer_is_a_503_while_it_is_away(door: Door, folding: Projector) -> None:
    for path in ("reward-analytics", "data-quality"):
        answer = await door.admin.get(f"/api/admin/{path}")
        assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)
    answer = await door.admin.post("/api/admin/sql", json={"sql": "select 1"})
    assert answer.status_code == 503
    assert "tipstream.ctl.query" in answer.json()["detail"]


async def test_without_a_read_model_the_answer_is_a_503_that_says_what_to_start(door: Door) -> None:
    for path in ("policies", "tips", "users", "users/ada", "dead-letters", "saved-queries", "experiments"):
        answer = await door.admin.get(f"/api/admin/{path}")
        assert answer.status_code == 503, path
        assert "tipstream projector" in answer.json()["detail"]
