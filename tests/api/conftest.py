"""The API alone on a real NATS server (`door`), and with the read model folded beside it (`folding`)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from projections.projector import Projector
from projections.sinks.versions import Versions
from services.bus.jetstream import JetStreamBus
from services.settings import Settings
from tests.api.callers import Door, open_door, settings_for
from tests.servers import NatsServer
from tests.waiting import until


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
