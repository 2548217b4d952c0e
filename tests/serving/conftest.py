"""A scorer on a real NATS server."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.bus.jetstream import JetStreamBus
from services.settings import Settings
from tests.api.callers import settings_for
from tests.servers import NatsServer
from tests.serving.scorers import Running, running


@pytest.fixture
def settings(nats_server: NatsServer) -> Settings:
    """A HOME of the test's own."""
    return settings_for(nats_server.home, nats_server)


@pytest.fixture
async def scorer(settings: Settings, bus: JetStreamBus) -> AsyncIterator[Running]:
    """A scorer that is up."""
    async with running(settings, bus) as scorer:
        yield scorer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_scorer(shared_server: NatsServer, shared_bus: JetStreamBus) -> AsyncIterator[Running]:
    """One scorer for those tests of a module that do not care what the others ask of it."""
    async with running(settings_for(shared_server.home, shared_server), shared_bus) as scorer:
        yield scorer
