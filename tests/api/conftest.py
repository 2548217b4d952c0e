"""The API alone on a real NATS server (`door`), with the read model folded beside it (`folding`), and with every
other process's part running in this one (`system`)."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from projections.projector import Projector
from projections.sinks.versions import Versions
from services.api import condition
from services.bus.jetstream import JetStreamBus
from services.settings import Settings
from tests.api.callers import Door, System, open_door, run_system, settings_for
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


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A HOME with a stream's first events, folded by every part: what takes each `system` the longest."""
    home = tmp_path_factory.mktemp("begun") / "home"
    home.mkdir()
    server = NatsServer(home)
    server.start()
    try:
        asyncio.run(_begin(server))
    finally:
        server.stop()
    return home


async def _begin(server: NatsServer) -> None:
    bus = await JetStreamBus.connect(server.url, name="begin")
    async with run_system(settings_for(server.home, server), bus) as system:
        await system.folded()
    await bus.close()


@pytest.fixture
def home(home: Path, request: pytest.FixtureRequest) -> Path:
    """A HOME of the test's own: begun, if all parts are to run on it."""
    if "system" in request.fixturenames:
        shutil.copytree(request.getfixturevalue("begun"), home, dirs_exist_ok=True)
    return home


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
    """The API with its scorer and all three read models, on a copy of what `begun` left."""
    # Tests wait on health often, and a look of a quarter of a second ago says nothing of what they did since.
    monkeypatch.setattr(condition, "KEEP_S", 0.01)
    async with run_system(settings, bus) as system:
        yield system
