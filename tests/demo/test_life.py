"""Simulated people against an API: they report, ask and react, and wait while it is away."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest
from numpy.random import PCG64, Generator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts.codec import Decoder
from contracts.envelope import Entry
from contracts.events.person import FeedbackReceived, SignalObserved
from contracts.signing import NO_TRUST
from services.bus.memory import MemoryBus
from services.demo.life import Life
from services.demo.people import people
from services.demo.present import Present
from services.demo.reactions import Shelf
from tests.waiting import until


class Api:
    """Stands in for the API: checks each body against the contract and recommends any tip."""

    def __init__(self, tip_ids: tuple[str, ...]) -> None:
        self.tip_ids = tip_ids
        self.away = False
        self.seen: Counter[str] = Counter()
        self.decisions: dict[str, str] = {}
        posts = {"signals": self.signal, "feedback": self.feedback, "recommendations": self.recommend}
        self.app = Starlette(routes=[Route(f"/v1/{name}", do, methods=["POST"]) for name, do in posts.items()])

    async def signal(self, request: Request) -> Response:
        SignalObserved.model_validate(await self.body(request))
        return self.answer({"seq": 1}, 202)

    async def feedback(self, request: Request) -> Response:
        event = FeedbackReceived.model_validate(await self.body(request))
        assert self.decisions[event.decision_id or ""] == event.user_id
        return self.answer({"seq": 1}, 202)

    async def recommend(self, request: Request) -> Response:
        body = await self.body(request)
        decision_id = f"d{len(self.decisions)}"
        self.decisions[decision_id] = body["user_id"]
        tip = {"tip_id": self.tip_ids[len(self.decisions) % len(self.tip_ids)]}
        return self.answer({"decision_id": decision_id, "tips": [tip]}, 200)

    async def body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.seen[request.url.path] += not self.away
        return body

    def answer(self, body: dict[str, Any], status: int) -> Response:
        return JSONResponse(body, 503 if self.away else status)


@pytest.fixture
def api(present: Present) -> Api:
    return Api((*Shelf.of(present.state.catalog.active()).tip_ids, "published-later"))


@pytest.fixture
async def life(api: Api, present: Present, memory_bus: MemoryBus, monkeypatch: pytest.MonkeyPatch) -> Life:
    monkeypatch.setattr("services.demo.life.HURRY", 100_000)
    monkeypatch.setattr("services.demo.life.PAUSE_S", 0.01)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="http://api")
    shelf = Shelf.of(present.state.catalog.active())
    return Life(http, memory_bus, people(7, 10), shelf, Generator(PCG64(1)), rate=2000.0)


async def test_people_report_ask_and_react_over_both_doors(life: Life, api: Api, memory_bus: MemoryBus) -> None:
    before = (await memory_bus.info()).last_seq
    await lived(life, lambda: min(life.counts[kind] for kind in ("signals", "tips", "feedback")) >= 40)
    assert api.seen["/v1/signals"] >= 40
    assert api.seen["/v1/recommendations"] >= 40
    records = [r async for found in memory_bus.read(before, upto=(await memory_bus.info()).last_seq) for r in found]
    assert len(records) + api.seen["/v1/feedback"] >= 40
    assert len(records) > 3
    decoder = Decoder("", NO_TRUST)
    assert all(isinstance(decoder.decode(record), Entry) for record in records)


async def test_people_wait_while_the_api_is_away(life: Life, api: Api) -> None:
    api.away = True
    await lived(life, lambda: life.counts["failed"] >= 3)
    assert life.counts.total() == life.counts["failed"]
    api.away = False
    await lived(life, lambda: life.counts["tips"] >= 3)


async def lived(life: Life, enough: Callable[[], bool]) -> None:
    """Let them live until there is enough to see."""
    task = asyncio.create_task(life.run())
    await until(lambda: enough() or task.done())
    assert not task.done()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
