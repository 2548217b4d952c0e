"""Fixtures for every test: a real nats-server on a free port, and the bus in both its forms."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from services.bus.jetstream import JetStreamBus
from services.bus.memory import MemoryBus
from tests.processes import forks
from tests.servers import NatsServer
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


def pytest_sessionfinish() -> None:
    """End what was forked for tests."""
    forks.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A HOME of the test's own, with nothing in it."""
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def nats_server(home: Path) -> Iterator[NatsServer]:
    """A server of the test's own, its store in that HOME."""
    server = NatsServer(home)
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[JetStreamBus]:
    """A bus on that server, its stream declared."""
    bus = await JetStreamBus.connect(nats_server.url, name="test")
    await bus.declare()
    yield bus
    await bus.close()


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
