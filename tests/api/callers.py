"""The API in this process on a real NATS server, alone or with all parts, and clients with and without keys."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from ml.serving.app import create_app as create_scorer
from ml.serving.shadow import serve as score_along
from projections.control import subject_of
from projections.projector import Projector
from projections.rebuild import Replayer
from projections.sinks.versions import Versions
from projections.worker import serve
from services.api.app import create_app
from services.bootstrap import ensure_stream
from services.bus.jetstream import JetStreamBus
from services.settings import Settings
from tests.servers import NatsServer, free_port
from tests.waiting import until

API_KEY, PASSWORD = "api-key-of-tests", "admin-password-of-tests"

FOLDING = {"stream", "scorer", "projector", "analytics", "query"}

LOOK_S = 0.03
"""How often a test looks at health: a look has its price."""


@dataclass(frozen=True, slots=True)
class Door:
    """Clients of one API: `caller` has the API key, `admin` the admin password, `stranger` nothing."""

    app: FastAPI
    caller: httpx.AsyncClient
    admin: httpx.AsyncClient
    stranger: httpx.AsyncClient


@dataclass(frozen=True, slots=True)
class System:
    """An API whose scorer and read models run; `bus` is the test's own connection."""

    door: Door
    bus: JetStreamBus

    async def healthy(self) -> None:
        """Return once every part is up."""

        async def up() -> bool:
            return (await self.door.stranger.get("/api/health")).status_code == 200

        await until(up, pause=LOOK_S)

    async def folded(self) -> int:
        """Return once the stream has every decision and every part has folded what it holds then; that sequence."""

        async def parts() -> dict[str, Any]:
            found: dict[str, Any] = (await self.door.stranger.get("/api/health")).json()["components"]
            return found

        async def sent() -> bool:
            waiting: int | None = (await parts())["outbox"].get("lag_events")
            return waiting == 0

        async def there() -> bool:
            # A part that did not answer in time says nothing of where it is.
            found = await parts()
            return found.keys() >= FOLDING and all(
                part.get("seq", -1 if name in FOLDING else target) >= target for name, part in found.items()
            )

        await until(sent, pause=LOOK_S)
        target = (await self.bus.info()).last_seq
        await until(there, pause=LOOK_S)
        return target

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        """What the API answers a caller or, under /api/, the admin; 2xx only."""
        client = self.door.admin if path.startswith("/api/") else self.door.caller
        answer = await client.post(path, json=body)
        assert answer.status_code in (200, 202), answer.text
        said: dict[str, Any] = answer.json()
        return said

    async def get(self, path: str) -> Any:
        """What the API answers the admin; 200 only."""
        answer = await self.door.admin.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


def settings_for(home: Path, server: NatsServer, **given: Any) -> Settings:
    """Settings of a system on this server, with ports that nobody listens on and, unless `given`, without MLflow."""
    ports = {name: free_port() for name in ("port", "scorer_port", "mlflow_port", "nats_port", "quack_port")}
    chosen: dict[str, Any] = {"mlflow": "off", **ports, **given}
    return Settings(home=home, nats_url=server.url, api_key=API_KEY, admin_password=PASSWORD, **chosen)


@asynccontextmanager
async def open_door(
    settings: Settings,
    *,
    scorer: httpx.AsyncBaseTransport | None = None,
    mlflow: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[Door]:
    """Run the API, its scorer and MLflow reached through these transports."""
    settings.make_home()
    app = create_app(settings, scorer_transport=scorer, mlflow_transport=mlflow)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)

        def client(secret: str | None) -> httpx.AsyncClient:
            headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
            return httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers, timeout=20)

        async with client(API_KEY) as caller, client(PASSWORD) as admin, client(None) as stranger:
            yield Door(app, caller, admin, stranger)


@asynccontextmanager
async def connected_door(settings: Settings) -> AsyncIterator[Door]:
    """Run the API alone, once it has reached the stream."""
    async with open_door(settings) as door:
        await until(lambda: door.app.state.parts.link.connected)
        yield door


@asynccontextmanager
async def run_projector(settings: Settings, bus: JetStreamBus) -> AsyncIterator[Projector]:
    """Fold into the SQLite read model that the API reads, once all that is there is folded."""
    settings.make_home()
    versions = Versions(settings.home)
    opened = versions.open("sqlite", 1)
    versions.point("sqlite", 1)
    projector = opened.projector(bus)
    running = asyncio.create_task(projector.run())
    try:
        await projector.wait_for((await bus.info()).last_seq)
        yield projector
    finally:
        await projector.stop()
        with suppress(asyncio.CancelledError):
            await running
        opened.close()


@asynccontextmanager
async def run_system(settings: Settings, bus: JetStreamBus) -> AsyncIterator[System]:
    """Run the API with its scorer and all three read models, each on a bus of its own, once all are up."""
    # As `tipstream up` does: parts that all find an empty stream would all begin it.
    settings.make_home()
    await ensure_stream(bus, settings)
    stop = asyncio.Event()
    names = ("sqlite", "analytics", "query", "shadow", "replayer")
    buses = [await JetStreamBus.connect(settings.bus_url, name=name) for name in names]
    serving = [
        asyncio.create_task(serve(own, settings, name, stop), name=name)
        for own, name in zip(buses[:3], names[:3], strict=True)
    ]
    shadowing = asyncio.create_task(score_along(buses[3], settings), name="shadow")
    # It is only asked how it is: tests that want replays or erasures carried out run one of their own.
    await buses[4].respond(subject_of("replayer"), Replayer(buses[4], settings).answer)
    scorer = create_scorer(settings)
    async with (
        scorer.router.lifespan_context(scorer),
        open_door(settings, scorer=httpx.ASGITransport(scorer)) as door,
    ):
        system = System(door, bus)
        await system.healthy()
        yield system
    stop.set()
    shadowing.cancel()
    await asyncio.gather(*serving)
    with suppress(asyncio.CancelledError):
        await shadowing
    for own in buses:
        await own.close()
