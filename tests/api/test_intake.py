"""Signals and feedback over HTTP: what is refused and how it is said, and that nothing counts twice."""

import asyncio
import json
from typing import Any

import pytest

from contracts import headers
from contracts.codec import MAX_BODY_BYTES
from contracts.envelope import Entry, Message
from services.bootstrap import open_decoder
from services.bus.jetstream import JetStreamBus
from tests.api.callers import Door
from tests.conftest import SHARED

FEEDBACK: dict[str, Any] = {"user_id": "ada", "action": "helpful"}
SIGNAL: dict[str, Any] = {"user_id": "ada", "source": "phone", "values": {"steps": 5000}}
JSON = {"Content-Type": "application/json"}

pytestmark = SHARED


@pytest.fixture(scope="module")
def door(shared_door: Door) -> Door:
    """One for all: what is refused leaves nothing behind, and what is accepted has an id of its own."""
    return shared_door


@pytest.fixture(scope="module")
def bus(shared_bus: JetStreamBus) -> JetStreamBus:
    """A bus on its stream."""
    return shared_bus


async def refused(door: Door, path: str, body: Any, status: int = 422) -> dict[str, Any]:
    """The problem document that answers a body."""
    answer = await door.caller.post(path, content=body if isinstance(body, bytes) else json.dumps(body), headers=JSON)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


async def entry_at(bus: JetStreamBus, seq: int) -> Entry:
    recorded = await bus.get(seq)
    assert recorded is not None
    entry = (await open_decoder(bus)).decode(recorded)
    assert isinstance(entry, Entry), entry
    return entry


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"action": "applauded"}, "action"),
        ({"action": None}, "action"),
        ({"user_id": 7}, "user_id"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": "x" * 513}, "user_id"),
        ({"user_id": "broken \ud800"}, "user_id"),
        ({"decision_id": ["d"]}, "decision_id"),
        ({"tip_id": ""}, "tip_id"),
        ({"event_id": ""}, "event_id"),
        ({"occurred_at": "1970-01-01T00:00:00Z"}, "occurred_at"),
        ({"occurred_at": "2100-01-01T00:00:00Z"}, "occurred_at"),
        ({"occurred_at": "9999-12-31T23:59:59-05:00"}, "occurred_at"),
        ({"occurred_at": "2026-01-01T00:00:00"}, "occurred_at"),
        ({"occurred_at": 1700000000}, "occurred_at"),
        ({"occured_at": "2026-01-01T00:00:00Z"}, "occured_at"),
    ],
)
async def test_feedback_that_cannot_be_used_is_refused_by_the_name_of_the_field(
    door: Door, change: dict[str, Any], field: str
) -> None:
    problem = await refused(door, "/v1/feedback", FEEDBACK | change)
    assert problem["field"] == field
    assert field in {error["field"] for error in problem["errors"]}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source": "my phone"}, "source"),
        ({"source": ""}, "source"),
        ({"values": {}}, "values"),
        ({"values": {"steps": float("nan")}}, "values.steps"),
        ({"values": {"steps": float("inf")}}, "values.steps"),
        ({"values": {"steps": "5000"}}, "values.steps"),
        ({"values": {"steps": True}}, "values.steps"),
        ({"observed_at": "1970-01-01T00:00:00Z"}, "observed_at"),
        ({"observed_at": "2100-01-01T00:00:00Z"}, "observed_at"),
        ({"token_expires_at": "9999-12-31T23:59:59-05:00"}, "token_expires_at"),
        ({"value": 3}, "value"),
    ],
)
async def test_a_signal_that_cannot_be_used_is_refused_by_the_name_of_the_field(
    door: Door, change: dict[str, Any], field: str
) -> None:
    assert (await refused(door, "/v1/signals", SIGNAL | change))["field"] == field


@pytest.mark.parametrize("missing", ["user_id", "action"])
async def test_a_field_that_is_missing_is_named(door: Door, missing: str) -> None:
    body = {name: value for name, value in FEEDBACK.items() if name != missing}
    assert (await refused(door, "/v1/feedback", body))["field"] == missing


@pytest.mark.parametrize(
    "body", [b"{", b"[1,", b"\xff\xfe{}", b"nope", b"[" * 100_000, b"1" * 5000, b'{"user_id": "\x01"}']
)
async def test_what_is_no_json_is_a_400_about_the_body(door: Door, body: bytes) -> None:
    assert (await refused(door, "/v1/feedback", body, 400))["field"] == "body"


@pytest.mark.parametrize("body", [b"", b"[]", b'"text"', b"null", b"3"])
async def test_json_that_is_no_object_is_a_422_about_the_body(door: Door, body: bytes) -> None:
    assert (await refused(door, "/v1/feedback", body))["field"] == "body"


async def test_a_body_of_another_kind_is_a_415(door: Door) -> None:
    answer = await door.caller.post(
        "/v1/feedback", content=json.dumps(FEEDBACK), headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


async def test_a_body_of_a_megabyte_is_a_413_announced_or_not(door: Door) -> None:
    big = json.dumps(FEEDBACK | {"tip_id": "x" * 1024 * 1024}).encode()
    assert (await refused(door, "/v1/feedback", big, 413))["field"] == "body"

    async def parts() -> Any:
        for start in range(0, len(big), 65536):
            yield big[start : start + 65536]

    answer = await door.caller.post("/v1/feedback", content=parts(), headers=JSON)
    assert answer.status_code == 413


async def test_a_body_of_just_the_limit_is_read(door: Door) -> None:
    body = json.dumps(FEEDBACK).encode()
    answer = await door.caller.post("/v1/feedback", content=body.ljust(MAX_BODY_BYTES), headers=JSON)
    assert answer.status_code == 202


async def test_what_is_refused_leaves_nothing_in_the_stream(door: Door, bus: JetStreamBus) -> None:
    before = (await bus.info()).last_seq
    await refused(door, "/v1/feedback", FEEDBACK | {"action": "applauded"})
    await refused(door, "/v1/feedback", b"{", 400)
    assert (await bus.info()).last_seq == before


ODD = [
    "two words",
    "a.b",
    "*",
    ">",
    "tips.>",
    "🌱",
    "x" * 300,
    "~abc",
    "ä/ö?#%",
    " ",
    "line\nbreak",
    "null\x00byte",
    "🌱" * 512,
]


@pytest.mark.parametrize("user_id", ODD, ids=range(len(ODD)))
async def test_any_text_is_a_user_id_and_comes_back_as_it_was(door: Door, bus: JetStreamBus, user_id: str) -> None:
    for path, body in (("/v1/feedback", FEEDBACK), ("/v1/signals", SIGNAL)):
        answer = await door.caller.post(path, json={**body, "user_id": user_id})
        assert answer.status_code == 202, answer.text
        event: Any = (await entry_at(bus, answer.json()["seq"])).event
        assert event.user_id == user_id


async def test_an_accepted_event_stands_in_the_stream_as_it_was_sent(door: Door, bus: JetStreamBus) -> None:
    body = FEEDBACK | {"event_id": "fb 1", "tip_id": "take-the-stairs", "occurred_at": "2026-01-02T03:04:05+01:00"}
    answer = await door.caller.post("/v1/feedback", json=body)
    entry = await entry_at(bus, answer.json()["seq"])
    assert answer.json() == {"event_id": "fb 1", "seq": entry.seq}
    assert entry.event_id == "fb 1"
    assert json.loads(entry.raw.data) == body | {"occurred_at": "2026-01-02T02:04:05.000000Z"}


async def test_the_same_event_id_is_stored_once_and_answered_alike(door: Door, bus: JetStreamBus) -> None:
    body = FEEDBACK | {"event_id": "once"}
    answers = [await door.caller.post("/v1/feedback", json=body) for _ in range(3)]
    answers += await asyncio.gather(*(door.caller.post("/v1/feedback", json=body) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert (await bus.info()).last_seq == answers[0].json()["seq"]


async def test_an_event_id_that_another_event_has_is_a_conflict_and_not_a_silent_loss(door: Door) -> None:
    assert (await door.caller.post("/v1/feedback", json=FEEDBACK | {"event_id": "mine"})).status_code == 202
    problem = await refused(door, "/v1/feedback", FEEDBACK | {"event_id": "mine", "user_id": "bob"}, 409)
    assert problem["field"] == "event_id"
    assert (await refused(door, "/v1/signals", SIGNAL | {"event_id": "mine"}, 409))["field"] == "event_id"


async def test_an_event_that_came_another_way_is_repeated_by_its_content(door: Door, bus: JetStreamBus) -> None:
    for body, status in ((b'{ "event_id": "raw" }', 202), (b"not json", 409)):
        subject, event_id = "tips.feedback.helpful.ada", "raw" if status == 202 else "dead"
        ack = await bus.publish(Message(subject, {headers.CE_ID: event_id, headers.MSG_ID: event_id}, body))
        answer = await door.caller.post("/v1/feedback", json=FEEDBACK | {"event_id": event_id})
        assert answer.status_code == status, answer.text
        assert answer.json().get("seq", ack.seq) == ack.seq


async def test_a_traceparent_travels_with_the_event_and_a_broken_one_is_left_out(door: Door, bus: JetStreamBus) -> None:
    trace = f"00-{'a1' * 16}-{'b2' * 8}-01"
    for sent, kept in ((trace, trace), ("nonsense", None)):
        answer = await door.caller.post("/v1/signals", json=SIGNAL, headers={"traceparent": sent})
        recorded = await bus.get(answer.json()["seq"])
        assert recorded is not None
        assert recorded.headers.get(headers.TRACEPARENT) == kept
