"""The tail over HTTP: the ring as JSON and as Server-Sent Events, and one event whole with what it belongs to."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
import uvicorn

from contracts.envelope import Message
from services.api.admin.events import json_lines
from services.api.ring import RING
from services.api.sightings import Wanted
from services.bus.jetstream import JetStreamBus
from tests.api.callers import PASSWORD, Door, System
from tests.bus.messages import message, messages
from tests.conftest import SHARED
from tests.servers import free_port
from tests.waiting import until

EVENTS = "/api/admin/events"


async def tail(door: Door, **params: Any) -> list[dict[str, Any]]:
    answer = await door.admin.get(EVENTS, params=params)
    assert answer.status_code == 200, answer.text
    events: list[dict[str, Any]] = answer.json()["events"]
    return events


async def send(door: Door, bus: JetStreamBus, subject: str, data: bytes, event_id: str) -> int:
    """Publish as a producer would; its sequence, once the ring has it."""
    ack = await bus.publish(Message(subject, {"Nats-Msg-Id": event_id}, data))
    await until(lambda: door.app.state.parts.ring.seq >= ack.seq)
    return ack.seq


async def test_the_tail_says_what_each_event_is_about_whom_and_what_it_says(door: Door, bus: JetStreamBus) -> None:
    await send(door, bus, "tips.feedback.helpful.~YSBi", b'{"tip_id": "walk"}', "one")
    await send(door, bus, "tips.signal.sleep.ann", b'{"values": {"sleep_hours": 7.5}}', "two")
    last = await send(door, bus, "tips.feedback.cheered.ann", b"{}", "three")
    answer = (await door.admin.get(EVENTS)).json()
    helpful, signal, bad = answer["events"][-3:]
    assert (answer["seq"], bad["seq"]) == (last, last)
    assert (helpful["kind"], helpful["user_id"], helpful["summary"]) == ("FeedbackReceived", "a b", "helpful on walk")
    assert (signal["kind"], signal["user_id"], signal["summary"]) == ("SignalObserved", "ann", "sleep: sleep_hours 7.5")
    assert (bad["kind"], bad["user_id"], bad["malformed"]) == ("Malformed", "ann", "unknown_action")
    assert answer["events"][0]["kind"] == "StreamStarted"
    assert answer["events"][1]["summary"].endswith("by system")


async def test_the_tail_is_filtered_by_subject_by_person_and_by_count(door: Door, bus: JetStreamBus) -> None:
    await send(door, bus, "tips.feedback.helpful.ann", b"{}", "one")
    await send(door, bus, "tips.feedback.done.~YSBi", b"{}", "two")
    await send(door, bus, "tips.signal.sleep.ann", b"{}", "three")
    assert [row["user_id"] for row in await tail(door, subject="tips.feedback.>")] == ["ann", "a b"]
    assert [row["subject"] for row in await tail(door, user="a b")] == ["tips.feedback.done.~YSBi"]
    assert [row["subject"] for row in await tail(door, user="ann", subject="tips.*.*.ann", limit=1)] == [
        "tips.signal.sleep.ann"
    ]
    assert await tail(door, subject="tips.feedback") == []


@SHARED
@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"subject": "tips..ann"}, "subject"),
        ({"subject": "tips.>.ann"}, "subject"),
        ({"subject": ""}, "subject"),
        ({"user": ""}, "user"),
        ({"limit": 0}, "limit"),
        ({"limit": 501}, "limit"),
    ],
)
async def test_a_filter_that_cannot_be_used_is_refused_by_its_name(
    shared_door: Door, params: dict[str, Any], field: str
) -> None:
    for accept in ("application/json", "text/event-stream"):
        answer = await shared_door.admin.get(EVENTS, params=params, headers={"Accept": accept})
        assert (answer.status_code, answer.json()["field"]) == (422, field)


@SHARED
async def test_the_tail_is_for_admins(shared_door: Door) -> None:
    for client, status in ((shared_door.stranger, 401), (shared_door.caller, 403)):
        for path in (EVENTS, f"{EVENTS}?follow=true", f"{EVENTS}/1"):
            assert (await client.get(path)).status_code == status


async def test_reactions_and_decisions_are_linked_both_ways(system: System) -> None:
    await system.post("/v1/signals", user_id="ann", source="phone", values={"steps": 4000, "mood": 4})
    await system.folded()
    decision = (await system.post("/v1/recommendations", user_id="ann"))["decision_id"]
    await system.folded()
    reaction = (await system.post("/v1/feedback", user_id="ann", action="helpful"))["seq"]
    await system.folded()

    shown = await system.get(f"{EVENTS}/{reaction}")
    (cause,) = shown["links"]
    assert (cause["relation"], cause["decision_id"]) == ("decision", decision)
    assert (shown["kind"], shown["event_id"]) == ("FeedbackReceived", shown["headers"]["ce-id"])

    shown = await system.get(f"{EVENTS}/{cause['seq']}")
    assert shown["body"]["decision_id"] == decision
    links = {link["relation"]: link for link in shown["links"]}
    assert (links["feedback"]["seq"], links["feedback"]["label"]) == (reaction, "helpful, attributed (pull)")
    assert set(links["signal"]["label"].split(", ")) == {"steps", "mood"}
    signal = await system.get(f"{EVENTS}/{links['signal']['seq']}")
    assert signal["body"]["values"] == {"steps": 4000, "mood": 4}
    tip = await system.get(f"{EVENTS}/{links['tip']['seq']}")
    assert (tip["kind"], tip["actor"], tip["body"]["tip_id"]) == ("TipPublished", "system", shown["body"]["tip_id"])


async def test_a_malformed_event_is_shown_with_its_reason_and_its_bytes(door: Door, bus: JetStreamBus) -> None:
    seq = await send(door, bus, "tips.feedback.helpful.ann", b"not json \xff", "one")
    shown = (await door.admin.get(f"{EVENTS}/{seq}")).json()
    assert (shown["kind"], shown["malformed"], shown["event_id"]) == ("Malformed", "not_json", None)
    assert "not JSON" in shown["detail"]
    assert (shown["body"], base64.b64decode(shown["data"])) == ("not json \ufffd", b"not json \xff")


async def test_an_event_older_than_the_ring_is_shown_and_one_that_is_not_there_is_a_404(
    door: Door, bus: JetStreamBus
) -> None:
    last = await bus.publish_batch(messages(RING + 10))
    shown = (await door.admin.get(f"{EVENTS}/1")).json()
    assert (shown["kind"], shown["actor"]) == ("StreamStarted", "system")
    await bus.delete(last - 5)
    for seq, said in ((last - 5, "it was erased"), (last + 1, f"ends at {last}")):
        answer = await door.admin.get(f"{EVENTS}/{seq}")
        assert (answer.status_code, answer.json()["field"]) == (404, "seq")
        assert said in answer.json()["detail"]
    for bad in (0, -1, 2**63):
        assert (await door.admin.get(f"{EVENTS}/{bad}")).status_code == 422


async def test_what_is_filtered_is_kept_whole_as_json_lines(door: Door, bus: JetStreamBus) -> None:
    await send(door, bus, "tips.feedback.helpful.ann", b'{"tip_id": "walk"}', "one")
    seq = await send(door, bus, "tips.feedback.helpful.ann", b"\xff", "two")
    lines = [orjson.loads(line) for line in json_lines(door.app.state.parts, Wanted("tips.feedback.>")).splitlines()]
    assert [(line["seq"], line["body"]) for line in lines] == [(seq - 1, {"tip_id": "walk"}), (seq, "\ufffd")]
    assert lines[0]["headers"] == {"Nats-Msg-Id": "one"}
    assert lines[0]["subject"] == "tips.feedback.helpful.ann"


class Flow:
    """Server-Sent Events as they arrive: (id, event, data)."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()

    async def next(self) -> tuple[int | None, str, Any]:
        """The next event, comments left out."""
        said: dict[str, str] = {}
        async with asyncio.timeout(20):
            async for line in self._lines:
                if line.startswith(":"):
                    continue
                if not line and said:
                    seq = said.get("id")
                    return int(seq) if seq else None, said.get("event", "message"), orjson.loads(said["data"])
                if line:
                    name, _, value = line.partition(": ")
                    said[name] = value
        raise AssertionError("the flow ended")

    async def seqs(self, count: int) -> list[int | None]:
        """The ids of the next events."""
        return [(await self.next())[0] for _ in range(count)]


@pytest.fixture
async def client(door: Door) -> AsyncIterator[httpx.AsyncClient]:
    """The API on a port: nothing flows through a client in the same process."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(door.app, port=port, lifespan="off", log_level="warning"))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    headers = {"Authorization": f"Bearer {PASSWORD}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=20) as client:
        yield client
    server.should_exit = True
    await serving


async def test_the_flow_begins_with_the_ring_and_goes_on(client: httpx.AsyncClient, bus: JetStreamBus) -> None:
    await bus.publish(message(1, "tips.signal.sleep.ann"))
    seq = (await bus.publish(message(2, "tips.feedback.helpful.ann"))).seq
    params = {"subject": "tips.feedback.>", "user": "ann"}
    async with client.stream("GET", EVENTS, params=params, headers={"Accept": "text/event-stream"}) as answer:
        assert answer.status_code == 200
        assert re.match("text/event-stream", answer.headers["content-type"])
        flow = Flow(answer)
        first = await flow.next()
        assert (first[0], first[1], first[2]["user_id"], first[2]["kind"]) == (seq, "message", "ann", "Malformed")
        await bus.publish(message(3, "tips.signal.sleep.ann"))
        later = (await bus.publish(message(4, "tips.feedback.done.ann"))).seq
        assert (await flow.next())[0] == later


async def test_the_flow_goes_on_after_the_last_event_that_was_seen(
    client: httpx.AsyncClient, bus: JetStreamBus
) -> None:
    last = await bus.publish_batch(messages(RING + 20))
    for after, expected in ((last - 2, [last - 1, last]), (last - RING - 3, [None, last - RING + 1])):
        headers = {"Last-Event-ID": str(after)}
        async with client.stream("GET", EVENTS, params={"follow": True}, headers=headers) as answer:
            assert await Flow(answer).seqs(2) == expected
    headers = {"Last-Event-ID": str(last - RING - 3)}
    async with client.stream("GET", EVENTS, params={"follow": True}, headers=headers) as answer:
        assert await Flow(answer).next() == (None, "skipped", {"events": 3})
    answer = await client.get(EVENTS, params={"follow": True}, headers={"Last-Event-ID": "never"})
    assert (answer.status_code, answer.json()["field"]) == (422, "last-event-id")


async def test_who_hangs_up_is_followed_no_more(client: httpx.AsyncClient, door: Door) -> None:
    async with client.stream("GET", EVENTS, params={"follow": True}) as answer:
        await Flow(answer).seqs(1)
        assert len(door.app.state.parts.ring._queues) == 1
    await until(lambda: not door.app.state.parts.ring._queues)


async def test_the_flow_ends_when_its_key_is_revoked(client: httpx.AsyncClient, door: Door) -> None:
    accounts = door.app.state.accounts
    key, secret = accounts.make_key("admin", "a tail", ["view"])
    headers = {"Authorization": f"Bearer {secret}"}
    async with client.stream("GET", EVENTS, params={"follow": True}, headers=headers) as answer:
        assert answer.status_code == 200
        lines = answer.aiter_lines()
        await anext(lines)
        accounts.revoke_key(key.key_id)
        async with asyncio.timeout(20):
            async for _ in lines:
                pass
