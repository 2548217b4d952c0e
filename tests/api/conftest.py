"""The API alone on a real NATS server (`door`), with the read model folded beside it (`folding`), and with every
other process's part running in this one (`system`)."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from projections.projector import Projector
from projections.sinks import versions
from services.api import condition
from services.bus.jetstream import JetStreamBus
from services.settings import Settings
from tests.api.callers import Door, System, connected_door, run_projector, run_system, settings_for
from tests.conftest import bus_on
from tests.servers import MlflowServer, NatsServer, nats_server_in


@pytest.fixture(scope="module", autouse=True)
def extensions_unchecked() -> Iterator[None]:
    """Let DuckDB take the SQL door's extensions without their signatures, which take 0.4 s a system to check."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(versions.DUCKDB_SETTINGS, "allow_unsigned_extensions", "true")
        yield


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
    async with connected_door(settings) as door:
        yield door


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_door(shared_server: NatsServer, shared_bus: JetStreamBus) -> AsyncIterator[Door]:
    """One API for those tests of a module that do not care what the others ask of it."""
    async with connected_door(settings_for(shared_server.home, shared_server)) as door:
        yield door


@pytest.fixture
async def folding(settings: Settings, bus: JetStreamBus, door: Door) -> AsyncIterator[Projector]:
    """The projector, folding into the SQLite read model that the API reads."""
    async with run_projector(settings, bus) as projector:
        yield projector


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_folding(shared_bus: JetStreamBus, shared_door: Door) -> AsyncIterator[Projector]:
    """The projector beside the shared API."""
    async with run_projector(shared_door.app.state.parts.settings, shared_bus) as projector:
        yield projector


@pytest.fixture
async def system(settings: Settings, bus: JetStreamBus, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[System]:
    """The API with its scorer and all three read models, on a copy of what `begun` left."""
    # Tests wait on health often, and a look of a quarter of a second ago says nothing of what they did since.
    monkeypatch.setattr(condition, "KEEP_S", 0.01)
    async with run_system(settings, bus) as system:
        yield system


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_system(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """One system for those tests of a module that do not care what the others do in it."""
    home = tmp_path_factory.mktemp("shared") / "home"
    shutil.copytree(begun, home)
    with pytest.MonkeyPatch.context() as patched, nats_server_in(home) as server:
        patched.setattr(condition, "KEEP_S", 0.01)
        async with bus_on(server) as bus, run_system(settings_for(home, server), bus) as system:
            yield system
