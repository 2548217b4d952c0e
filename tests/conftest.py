"""Fixtures for every test: a real nats-server on a free port, and the bus in both its forms."""

import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from services.bus.jetstream import JetStreamBus
from services.bus.memory import MemoryBus
from tests.processes import forks
from tests.servers import NatsServer, nats_server_in
from tests.waiting import ManualClock

LONG = ("tests/console", "tests/pipelines", "tests/system", "tests/projections", "tests/importing", "tests/offline")
"""What takes long begins first, so that no worker is left with it while the others have nothing to do."""

TOUR = "tests/console/test_tour.py"
"""Its demo is its own."""


class ByServer(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps on one worker what shares a server: the tests of a module, and those of the console that share a demo.

    The marker xdist_group would say so too, but xdist 3.8 sets it where pytest 9.2 no longer looks.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.split("::")[0]
        return "tests/console" if module.startswith("tests/console/") and module != TOUR else module


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByServer:
    """How tests are dealt out to workers."""
    config.option.loadscopereorder = False
    return ByServer(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In which order."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


def pytest_collection_finish() -> None:
    """What is imported by now stays; without this the collector would walk through all of it again and again."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """End what was forked for tests."""
    forks.close()


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Argon2id at its least, in this process: each test's API has an administrator, whose hash takes 19 MiB."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.accounts.passwords._hasher", PasswordHasher(1, 8, 1))
        yield


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A HOME of the test's own, with nothing in it."""
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def nats_server(home: Path) -> Iterator[NatsServer]:
    """A server of the test's own, its store in that HOME."""
    with nats_server_in(home) as server:
        yield server


@asynccontextmanager
async def bus_on(server: NatsServer) -> AsyncIterator[JetStreamBus]:
    """A bus on a server during the block, its stream declared."""
    bus = await JetStreamBus.connect(server.url, name="test")
    try:
        await bus.declare()
        yield bus
    finally:
        await bus.close()


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[JetStreamBus]:
    """A bus on that server, its stream declared."""
    async with bus_on(nats_server) as bus:
        yield bus


SHARED = pytest.mark.asyncio(loop_scope="module")
"""Marks tests on what their module shares, which lives in the loop of the module."""


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One server for those tests of a module that do not care what the others leave on it."""
    with nats_server_in(tmp_path_factory.mktemp("shared")) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_bus(shared_server: NatsServer) -> AsyncIterator[JetStreamBus]:
    """A bus on the shared server."""
    async with bus_on(shared_server) as bus:
        yield bus


@pytest.fixture
def clock() -> ManualClock:
    """2026-01-01T00:00:00Z until it is advanced."""
    return ManualClock()


@pytest.fixture
async def memory_bus(clock: ManualClock) -> AsyncIterator[MemoryBus]:
    """The bus in this process, on `clock`."""
    bus = MemoryBus(clock)
    yield bus
    await bus.close()
