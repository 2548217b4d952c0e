"""The API alone on a real NATS server (`door`), with the read model folded beside it (`folding`), and with every
other process's part running in this one (`system`)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import httpx
import pytest

from ml.serving.app import create_app as create_scorer
from ml.serving.shadow import serve as score_along
from projections.control import subject_of
from projections.projector import Projector
from projections.rebuild import Replayer
from projections.sinks.versions import Versions
from projections.worker import serve
from services.api import condition
from services.bootstrap import ensure_stream
from services.bus.jetstream import JetStreamBus
from services.settings import Settings
from tests.api.callers import Door, System, open_door, settings_for
from tests.servers import MlflowServer, NatsServer
from tests.waiting import until


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """One server for the module: starting it is what takes long."""
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def settings(nats_server: NatsServer) -> Settings:
    """A HOME of the test's own."""
    return settings_for(nats_server.home, nats_server)


@pytest.fixture
async def door(settings: Settings, bus: JetStreamBus) -> AsyncIterator[Door]:
    """The API once it has reached the stream."""
    async with open_door(settings) as door:
        await until(lambda: door.app.state.parts.link.connected)
        yield door


@pytest.fixture
async def folding(settings: Settings, bus: JetStreamBus, door: Door) -> AsyncIterator[Projector]:
    """The projector, folding into the SQLite read model that the API reads."""
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


@pytest.fixture
async def system(settings: Settings, bus: JetStreamBus, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[System]:
    """The API with its scorer and all three read models, each on a bus of its own."""
    # Tests wait on health often, and a look of a quarter of a second ago says nothing of what they did since.
    monkeypatch.setattr(condition, "KEEP_S", 0.01)
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
