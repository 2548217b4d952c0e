"""A snapshot of the stream comes whole or not at all."""

import pytest

from services.bus import snapshot
from services.bus.errors import BusUnavailable, ServerRefused, SnapshotBroken, StreamMissing
from services.bus.jetstream import JetStreamBus
from tests.bus.messages import messages, read_all
from tests.servers import NatsServer


@pytest.fixture
def in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """One chunk at a time is under way."""
    monkeypatch.setattr(snapshot, "CHUNK", 1024)
    monkeypatch.setattr(snapshot, "WINDOW", 1024)


@pytest.mark.usefixtures("in_small_pieces")
async def test_a_restored_stream_holds_the_same_under_another_incarnation(jetstream: JetStreamBus) -> None:
    await jetstream.publish_all(messages(500))
    before, there = await jetstream.info(), await read_all(jetstream, 0, 500)
    async with jetstream.snapshot() as taken:
        data = [chunk async for chunk in taken.chunks]
    assert taken.info == before
    assert len(data) > 10
    with pytest.raises(ServerRefused, match="already in use"):
        await jetstream.restore(taken.config, taken.state, data)
    await jetstream._link.api("STREAM.DELETE.TIPS")
    restored = await jetstream.restore(taken.config, taken.state, data)
    assert (restored.first_seq, restored.last_seq, restored.messages) == (1, 500, 500)
    assert restored.created != before.created
    assert await read_all(jetstream, 0, 500) == there


@pytest.mark.usefixtures("in_small_pieces")
async def test_a_server_that_dies_ends_it(nats_server: NatsServer, jetstream: JetStreamBus) -> None:
    await jetstream.publish_all(messages(500))
    async with jetstream.snapshot() as taken:
        assert await anext(taken.chunks)
        nats_server.kill()
        with pytest.raises(BusUnavailable, match="broke during the snapshot"):
            async for _ in taken.chunks:
                pass


@pytest.mark.usefixtures("in_small_pieces")
async def test_a_connection_that_was_renewed_ends_it(nats_server: NatsServer, jetstream: JetStreamBus) -> None:
    await jetstream.publish_all(messages(500))
    async with jetstream.snapshot() as taken:
        assert await anext(taken.chunks)
        nats_server.kill()
        nats_server.start()
        with pytest.raises((BusUnavailable, SnapshotBroken)):
            async for _ in taken.chunks:
                pass


async def test_a_stream_that_is_not_there_has_none(nats_server: NatsServer) -> None:
    bus = await JetStreamBus.connect(nats_server.url, name="test")
    with pytest.raises(StreamMissing):
        async with bus.snapshot():
            pass
    await bus.close()
