"""The contract's fixtures: `bus` here is each implementation in turn."""

from collections.abc import AsyncIterator

import pytest

from services.bus.jetstream import JetStreamBus
from services.bus.memory import MemoryBus
from tests.bus.messages import Bus
from tests.waiting import ManualClock


@pytest.fixture(params=["memory", "jetstream"])
async def bus(request: pytest.FixtureRequest, clock: ManualClock) -> AsyncIterator[Bus]:
    """A declared bus of either kind."""
    bus: Bus
    if request.param == "memory":
        bus = MemoryBus(clock)
    else:
        bus = await JetStreamBus.connect(request.getfixturevalue("nats_server").url, name="test")
    await bus.declare()
    yield bus
    await bus.close()


@pytest.fixture
async def jetstream(request: pytest.FixtureRequest) -> AsyncIterator[JetStreamBus]:
    """The real one, for what only a server can do."""
    bus = await JetStreamBus.connect(request.getfixturevalue("nats_server").url, name="test")
    await bus.declare()
    yield bus
    await bus.close()
