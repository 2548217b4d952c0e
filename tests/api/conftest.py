"""The API alone on a real NATS server (`door`), and with its scorer and projector (`system`)."""

from collections.abc import AsyncIterator

import pytest

from services.bus.jetstream import JetStreamBus
from tests.api.callers import Door, open_door, settings_for
from tests.servers import NatsServer
from tests.waiting import until


@pytest.fixture
async def door(nats_server: NatsServer, bus: JetStreamBus) -> AsyncIterator[Door]:
    """The API once it has reached the stream."""
    async with open_door(settings_for(nats_server.home, nats_server)) as door:
        await until(lambda: door.app.state.parts.link.connected)
        yield door
