"""Signals and feedback while the stream takes nothing: it is said, and nothing gets lost."""

from typing import Any

from services.bus.jetstream import JetStreamBus
from tests.api.callers import Door
from tests.servers import NatsServer

FEEDBACK: dict[str, Any] = {"user_id": "ada", "action": "helpful"}
SIGNAL: dict[str, Any] = {"user_id": "ada", "source": "phone", "values": {"steps": 5000}}


async def test_while_the_bus_is_away_nothing_is_accepted_and_a_retry_counts_once(
    door: Door, bus: JetStreamBus, nats_server: NatsServer
) -> None:
    before = (await bus.info()).last_seq
    nats_server.kill()
    answer = await door.caller.post("/v1/feedback", json=FEEDBACK)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    event_id = answer.json()["event_id"]
    nats_server.start()
    again = [await door.caller.post("/v1/feedback", json=FEEDBACK | {"event_id": event_id}) for _ in range(2)]
    while {one.status_code for one in again} != {202}:
        again = [await door.caller.post("/v1/feedback", json=FEEDBACK | {"event_id": event_id}) for _ in range(2)]
    assert {one.json()["seq"] for one in again} == {before + 1}
    assert (await bus.info()).last_seq == before + 1


async def test_what_a_sealed_stream_will_not_take_is_answered_with_the_servers_words(
    door: Door, bus: JetStreamBus
) -> None:
    config = (await bus._link.api("STREAM.INFO.TIPS"))["config"]
    await bus._link.api("STREAM.UPDATE.TIPS", {**config, "sealed": True})
    for client, path, body in (
        (door.caller, "/v1/feedback", FEEDBACK),
        (door.caller, "/v1/signals", SIGNAL),
        (door.admin, "/api/admin/users/ada/reset", {}),
    ):
        answer = await client.post(path, json=body)
        assert answer.status_code == 503, answer.text
        assert "sealed" in answer.json()["detail"]
        assert int(answer.headers["retry-after"]) > 0
