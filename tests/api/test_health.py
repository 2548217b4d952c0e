"""`GET /api/health`: what is up, what is not, and who may know more."""

import asyncio
import sqlite3
import time
from contextlib import closing
from typing import Any

import httpx
import pytest

from contracts.times import DAY_US, SECOND_US
from services.api.condition import remedy_of
from services.api.control import ask
from services.api.stream_link import StreamLink
from services.publishing import now_us
from services.settings import Settings
from tests.api.callers import API_KEY, PASSWORD, Door, System, open_door
from tests.conftest import SHARED
from tests.servers import NatsServer
from tests.waiting import until

PARTS = {"api", "stream", "scorer", "projector", "analytics", "query", "replayer", "shadow", "outbox"}


@SHARED
async def test_with_everything_up_it_is_200_and_names_each_part_with_its_lag(shared_system: System) -> None:
    target = await shared_system.folded()
    answer = await shared_system.door.stranger.get("/api/health")
    health = answer.json()
    assert (answer.status_code, health["status"], set(health["components"])) == (200, "ok", PARTS)
    for name, part in health["components"].items():
        assert part["state"] == "up", name
        if name not in ("api", "replayer", "shadow", "outbox"):
            assert (part["seq"], part["lag_events"]) == (target, 0), name
            assert part["lag_seconds"] == 0


@SHARED
async def test_details_need_a_key_and_secrets_are_never_among_them(shared_system: System) -> None:
    for client, detailed in (
        (shared_system.door.stranger, False),
        (shared_system.door.caller, True),
        (shared_system.door.admin, True),
    ):
        answer = await client.get("/api/health")
        assert all(("details" in part) == detailed for part in answer.json()["components"].values())
        assert API_KEY not in answer.text
        assert PASSWORD not in answer.text
    wrong = await shared_system.door.stranger.get("/api/health", headers={"Authorization": "Bearer nope"})
    assert all("details" not in part for part in wrong.json()["components"].values())
    details: dict[str, Any] = (await shared_system.get("/api/admin/health"))["components"]
    assert details["api"]["details"]["disk"]["free_bytes"] > 0
    assert details["projector"]["details"]["checkpoint"]["seq"] > 0
    assert details["stream"]["details"]["first_seq"] == 1


@SHARED
async def test_admins_see_what_is_wrong_the_last_minutes_disk_and_releases(shared_system: System) -> None:
    health = await shared_system.get("/api/admin/health")
    assert health["findings"] == []
    details = {name: part["details"] for name, part in health["components"].items()}
    for name in ("stream", "projector", "analytics", "query"):
        assert details[name]["disk_bytes"] > 0, name
    assert details["stream"]["server"].startswith("2.")
    assert {"python", "duckdb", "nicegui"} <= set(details["api"]["versions"])

    async def kept() -> bool:
        moments = (await shared_system.get("/api/admin/health"))["history"]
        return len(moments) > 1 and moments[-1]["parts"]["projector"]["state"] == "up"

    await until(kept)


async def test_while_parts_come_up_it_is_503_and_starting(door: Door) -> None:
    answer = await door.stranger.get("/api/health")
    health = answer.json()
    assert (answer.status_code, health["status"]) == (503, "starting")
    assert health["components"]["api"]["state"] == health["components"]["stream"]["state"] == "up"
    assert health["components"]["scorer"]["state"] == "starting"


async def test_without_a_stream_the_api_answers_from_its_first_moment(nats_server: NatsServer, settings: Any) -> None:
    nats_server.kill()
    async with open_door(settings) as door:
        answer = await door.stranger.get("/api/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "starting")
        refused = await door.caller.post("/v1/feedback", json={"user_id": "ada", "action": "done"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        nats_server.start()

        async def taken() -> bool:
            answer = await door.caller.post("/v1/feedback", json={"user_id": "ada", "action": "done"})
            return answer.status_code == 202

        await until(taken)


async def test_a_stream_that_hangs_is_said_to_be_down_within_about_a_second(
    system: System, nats_server: NatsServer
) -> None:
    nats_server.pause()
    try:
        began = time.monotonic()
        answers: list[httpx.Response] = []

        async def down() -> bool:
            answers.append(await system.door.admin.get("/api/health"))
            return bool(answers[-1].json()["components"]["stream"]["state"] == "down")

        await until(down)
        assert time.monotonic() - began < 3
    finally:
        nats_server.resume()
    health = answers[-1].json()
    assert (answers[-1].status_code, health["status"]) == (503, "degraded")
    assert health["components"]["projector"]["details"]["remedy"]
    await system.healthy()


async def test_a_stream_that_stores_nothing_is_down_until_it_does(system: System) -> None:
    bus = system.door.app.state.parts.link.bus
    bus._publisher.refusals.answered({"err_code": 10023, "description": "insufficient resources"})

    async def stream_is(state: str) -> bool:
        return bool((await system.door.stranger.get("/api/health")).json()["components"]["stream"]["state"] == state)

    await until(lambda: stream_is("down"))
    assert (await system.door.stranger.get("/api/health")).status_code == 503
    (found,) = (await system.get("/api/admin/health"))["findings"]
    assert (found["component"], found["severity"]) == ("stream", "bad")
    assert found["says"] == "is down: it stores nothing (insufficient resources)"
    assert "make room where NATS keeps its store" in found["remedy"]
    await system.post("/v1/feedback", user_id="ada", action="done")
    await until(lambda: stream_is("up"))


async def test_a_stream_that_loses_events_is_down_with_what_somebody_changed(system: System) -> None:
    link = system.bus._link
    config = (await link.api("STREAM.INFO.TIPS"))["config"]

    async def says(wanted: str) -> bool:
        found = [one["says"] for one in (await system.get("/api/admin/health"))["findings"]]
        return any(wanted in one for one in found) if wanted else not found

    await link.api("STREAM.UPDATE.TIPS", {**config, "max_msgs": 1_000_000})
    await until(lambda: says("max_msgs is 1000000 on the server, the code declares -1"))
    await link.api("STREAM.UPDATE.TIPS", config)
    await until(lambda: says(""))
    await link.api("STREAM.PURGE.TIPS", {"seq": 2})
    await until(lambda: says("events were deleted from its beginning: it begins at 2"))
    assert (await system.door.stranger.get("/api/health")).status_code == 503


@pytest.mark.parametrize(
    ("refused", "mended"),
    [
        ("resource limits exceeded for account", "limits of the account"),
        ("invalid operation on sealed stream", "sealed stream"),
        ("message size exceeds maximum allowed", "--max-msg-size=-1"),
        ("maximum messages exceeded", "--max-msgs=-1"),
        ("no ack, though the server answers", "make room"),
    ],
)
def test_what_mends_a_refusal_follows_from_the_servers_words(refused: str, mended: str) -> None:
    assert mended in remedy_of(refused)


async def test_a_clock_a_day_ahead_of_the_servers_is_down_since_nothing_it_stamps_counts(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stream() -> dict[str, Any]:
        part: dict[str, Any] = (await system.door.admin.get("/api/health")).json()["components"]["stream"]
        return part

    found = await stream()
    assert (found["state"], abs(found["details"]["clock_ahead_s"]) < 60) == ("up", True)
    monkeypatch.setattr("services.api.condition.now_us", lambda: now_us() + DAY_US + 60 * SECOND_US)

    async def says() -> bool:
        return "clock is 24.0 h ahead of the NATS server's" in ((await stream())["details"]["last_error"] or "")

    await until(says)
    assert (await stream())["state"] == "down"


async def test_without_the_replayer_it_stays_200_and_says_what_waits_for_it(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asked(link: StreamLink, process: str, op: str, *, timeout: float) -> dict[str, Any]:
        if process == "replayer":
            await asyncio.sleep(timeout + 1)
        return await ask(link, process, op, timeout=timeout)

    monkeypatch.setattr("services.api.condition.ask", asked)

    async def degraded() -> bool:
        health = await system.door.stranger.get("/api/health")
        assert health.status_code == 200
        return bool(health.json()["status"] == "degraded")

    await until(degraded)
    (found,) = (await system.get("/api/admin/health"))["findings"]
    assert (found["component"], found["says"]) == ("replayer", "does not answer (no answer within 0.8 s)")
    assert "tipstream replayer" in found["remedy"]


async def test_decisions_that_wait_for_the_stream_are_counted_and_an_outbox_that_takes_none_is_down(
    system: System, nats_server: NatsServer, settings: Settings
) -> None:
    nats_server.kill()
    await system.post("/v1/recommendations", user_id="ada")

    async def outbox_is(state: str) -> bool:
        outbox = (await system.door.stranger.get("/api/health")).json()["components"]["outbox"]
        return bool(outbox["state"] == state and outbox["lag_events"] == 1)

    await until(lambda: outbox_is("behind"))
    file = settings.outbox_dir / "scorer.sqlite"
    with closing(sqlite3.connect(file)) as db:
        db.execute("ALTER TABLE outbox RENAME TO away")
        refused = await system.door.caller.post("/v1/recommendations", json={"user_id": "ada"})
        assert (refused.status_code, "neither logged nor kept" in refused.text) == (503, True)
        await until(lambda: outbox_is("down"))
        (found,) = [one for one in (await system.get("/api/admin/health"))["findings"] if one["component"] == "outbox"]
        assert f"is down: it cannot be written ({file}: no such table" in found["says"]
        assert "make room" in found["remedy"]
        db.execute("ALTER TABLE away RENAME TO outbox")
    nats_server.start()
    await system.healthy()
