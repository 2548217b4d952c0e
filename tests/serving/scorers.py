"""The scorer in this process on a real NATS server, and what its callers and producers send."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import orjson
from fastapi import FastAPI

from contracts.codec import Decoder
from contracts.envelope import Entry, Message
from contracts.events.person import TipScored
from contracts.subjects import build
from ml.serving.app import create_app
from ml.serving.scorer import Scorer
from services.bootstrap import open_decoder
from services.bus.jetstream import JetStreamBus
from services.catalog.builtin import builtin_tips
from services.settings import Settings
from tests.api.callers import API_KEY
from tests.waiting import until

TIPS = [tip.tip_id for tip in builtin_tips()]


@dataclass(frozen=True, slots=True)
class Running:
    """A scorer that runs: `caller` has the key, `stranger` none; `bus` is the test's own connection."""

    app: FastAPI
    caller: httpx.AsyncClient
    stranger: httpx.AsyncClient
    bus: JetStreamBus

    @property
    def scorer(self) -> Scorer:
        scorer: Scorer = self.app.state.scorer
        return scorer

    async def post(self, user_id: str = "ada", **fields: Any) -> httpx.Response:
        """`POST /score` with three candidates, unless other fields are given."""
        body = {"user_id": user_id, "context": {}, "candidates": TIPS[:3], **fields}
        return await self.caller.post("/score", json=body)

    async def score(self, user_id: str = "ada", **fields: Any) -> dict[str, Any]:
        """The answer of `POST /score`, 200 only."""
        return ok(await self.post(user_id, **fields))

    async def stats(self, user_id: str = "ada", min_seq: int | None = None) -> dict[str, Any]:
        """The answer of `GET /stats`, 200 only."""
        params = {} if min_seq is None else {"min_seq": min_seq}
        return ok(await self.caller.get(f"/stats/{in_path(user_id)}", params=params))

    async def health(self) -> dict[str, Any]:
        """What it says of itself to anybody."""
        return ok(await self.stranger.get("/health"))

    async def feedback(self, user_id: str = "ada", action: str = "helpful", **body: Any) -> int:
        """What a foreign producer publishes; the event's sequence."""
        event_id = f"f-{(await self.bus.info()).last_seq}"
        subject = build("tips.feedback.{action}.{user_id}", {"action": action, "user_id": user_id})
        ack = await self.bus.publish(Message(subject, {"Nats-Msg-Id": event_id}, orjson.dumps(body)))
        return ack.seq

    async def digest(self) -> dict[str, Any]:
        """The scorer's own word on its sums, at the stream's end."""
        await self.stats(min_seq=(await self.bus.info()).last_seq)
        answer = await self.bus.request("tipstream.ctl.scorer", b'{"op":"digest"}', 5)
        said: dict[str, Any] = orjson.loads(answer)
        return said

    async def until_up(self) -> None:
        """Return once it answers from a whole history."""

        async def up() -> bool:
            return bool((await self.health())["state"] == "up")

        await until(up)

    async def until_drained(self) -> None:
        """Return once nothing waits in the outbox."""
        await until(lambda: self.scorer.delivery.connected and not len(self.scorer.delivery.outbox), limit=90)


@asynccontextmanager
async def running(settings: Settings, bus: JetStreamBus) -> AsyncIterator[Running]:
    """Run the scorer; it is up when the block begins and has ended cleanly after it."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {API_KEY}"}
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://scorer", headers=headers, timeout=20) as caller,
            httpx.AsyncClient(transport=transport, base_url="http://scorer", timeout=20) as stranger,
        ):
            scorer = Running(app, caller, stranger, bus)
            await scorer.until_up()
            yield scorer


async def decisions_in(bus: JetStreamBus) -> list[tuple[int, TipScored]]:
    """Every decision of the stream with its sequence, in order."""
    decoder: Decoder = await open_decoder(bus)
    found = []
    async for batch in bus.read(0, upto=(await bus.info()).last_seq):
        for item in map(decoder.decode, batch):
            if isinstance(item, Entry) and isinstance(item.event, TipScored):
                found.append((item.seq, item.event))
    return found


def in_path(identifier: str) -> str:
    """An id percent-encoded whole, dots too: clients take . and .. in a path for directories."""
    return quote(identifier, safe="").replace(".", "%2E")


def ok(answer: httpx.Response) -> dict[str, Any]:
    """The body of a 200."""
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def problem(answer: httpx.Response, status: int, field: str | None) -> dict[str, Any]:
    """The body of a problem document of this status that names this field."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body.get("field") == field, body
    return body
