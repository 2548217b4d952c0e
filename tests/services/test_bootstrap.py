"""How a stream begins: once, whoever starts first; a later start adds what is missing and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from contracts.envelope import Message
from services.bootstrap import ForeignSigningKey, LogLost, ensure_stream, first_events
from services.bus.errors import StreamMissing
from services.bus.jetstream import JetStreamBus
from services.bus.stream import Ack
from services.settings import Settings
from tests.servers import NatsServer


class Listening(JetStreamBus):
    """Keeps the subject of each attempt to publish."""

    attempts: list[str]

    async def publish(self, message: Message, *, timeout: float | None = None) -> Ack:
        self.attempts.append(message.subject)
        return await super().publish(message, timeout=timeout)


Connect = Callable[[], Awaitable[Listening]]


@pytest.fixture
async def connect(nats_server: NatsServer) -> AsyncIterator[Connect]:
    """Opens one bus after another, closed at the end whatever becomes of the test."""
    buses: list[Listening] = []

    async def opened() -> Listening:
        bus = await Listening.connect(nats_server.url, name="test")
        bus.attempts = []
        buses.append(bus)
        return bus

    yield opened
    for bus in buses:
        await bus.close()


async def test_several_that_start_at_once_begin_it_once(nats_server: NatsServer, connect: Connect) -> None:
    settings = Settings(home=nats_server.home)
    buses = [await connect() for _ in range(3)]
    decoders = await asyncio.gather(*(ensure_stream(bus, settings) for bus in buses))
    assert (await buses[0].info()).last_seq == 1 + len(first_events())
    assert decoders[0].trust == decoders[1].trust == decoders[2].trust


async def test_a_later_start_publishes_what_is_missing_and_nothing_else(
    nats_server: NatsServer, connect: Connect
) -> None:
    settings = Settings(home=nats_server.home)
    bus = await connect()
    await ensure_stream(bus, settings)
    bus.attempts.clear()
    await ensure_stream(bus, settings)
    assert bus.attempts == []

    event, _ = first_events()[2]
    await bus.delete(4)
    await ensure_stream(bus, settings)
    assert bus.attempts == [event.subject()]


async def test_the_key_of_another_installation_is_refused(
    nats_server: NatsServer, connect: Connect, tmp_path: Path
) -> None:
    bus = await connect()
    await ensure_stream(bus, Settings(home=nats_server.home))
    (tmp_path / "other").mkdir()
    with pytest.raises(ForeignSigningKey, match="the stream trusts key"):
        await ensure_stream(bus, Settings(home=tmp_path / "other"))


@pytest.mark.parametrize("emptied", [False, True])
async def test_no_empty_log_takes_the_place_of_one_that_was_folded(
    nats_server: NatsServer, connect: Connect, emptied: bool
) -> None:
    settings = Settings(home=nats_server.home)
    bus = await connect()
    await ensure_stream(bus, settings)
    settings.make_home()
    folded = settings.read_models_dir / "sqlite-v1.sqlite"
    folded.touch()
    await ensure_stream(bus, settings)
    await bus._link.api("STREAM.DELETE.TIPS")
    if emptied:
        await bus.declare()
    with pytest.raises(LogLost, match="bring the log back"):
        await ensure_stream(bus, settings)
    if emptied:
        assert (await bus.info()).last_seq == 0
    else:
        with pytest.raises(StreamMissing):
            await bus.info()
    folded.unlink()
    await ensure_stream(bus, settings)
    assert (await bus.info()).last_seq == 1 + len(first_events())
