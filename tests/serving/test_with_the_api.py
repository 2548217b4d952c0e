"""The scorer over TCP beside a real API: resets go through its command; a killed scorer keeps what it promised."""

import asyncio
import signal
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn

from services.api.app import create_app
from services.bus.jetstream import JetStreamBus
from services.settings import Settings
from tests.api.callers import API_KEY
from tests.servers import NatsServer
from tests.serving.scorers import TIPS, Running, decisions_in, in_path, ok
from tests.serving.test_process import scorer_process
from tests.waiting import until


@pytest.fixture
async def api(settings: Settings, scorer: Running) -> AsyncIterator[None]:
    """The API on its port, connected to the stream."""
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, port=settings.port, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started and app.state.parts.link.connected)
    yield
    server.should_exit = True
    await serving


@pytest.mark.usefixtures("api")
async def test_a_reset_is_signed_by_the_api_and_counts_as_a_version(scorer: Running) -> None:
    for user in ("ada", "..", "a/b %2F", "🌱"):
        await scorer.score(user)
        before = await scorer.stats(user, min_seq=await scorer.feedback(user))
        assert (before["pulls"], before["state_version"]) == (1, 1)
        answer = await scorer.caller.post(f"/reset/{in_path(user)}")
        assert answer.status_code == 202, answer.text
        after = await scorer.stats(user, min_seq=answer.json()["seq"])
        assert (after["pulls"], after["cumulative_reward"], after["state_version"]) == (0, 0.0, 2)
        assert (await scorer.score(user))["state_version"] == 2


async def test_a_killed_scorer_logs_what_waited_once_it_is_back(
    settings: Settings, bus: JetStreamBus, nats_server: NatsServer
) -> None:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    body = {"user_id": "ada", "context": {}, "candidates": TIPS[:5]}
    ids = [f"kept-{number}" for number in range(12)]
    async with httpx.AsyncClient(base_url=settings.scorer_base, headers=headers, timeout=20) as caller:

        async def up() -> bool:
            try:
                return bool((await caller.get("/health")).json()["state"] == "up")
            except httpx.TransportError:
                return False

        async def drained() -> bool:
            return bool((await caller.get("/health")).json()["outbox"]["waiting"] == 0)

        with scorer_process(settings) as process:
            await until(up, limit=60)
            nats_server.kill()
            kept = [ok(await caller.post("/score", json={**body, "decision_id": one})) for one in ids]
            assert not any(answer["logged"] for answer in kept)
            process.send_signal(signal.SIGKILL)
            process.wait()
        nats_server.start()
        with scorer_process(settings):
            await until(up, limit=60)
            await until(drained)
            logged = [event.decision_id for _, event in await decisions_in(bus)]
            assert logged == ids
            again = [ok(await caller.post("/score", json={**body, "decision_id": one})) for one in ids]
            assert again == [{**answer, "logged": True} for answer in kept]
