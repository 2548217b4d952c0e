"""What a reader may lose: its connection, its consumer, a delivery, the stream itself. It goes on, or says why not."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.bus import reader
from services.bus.errors import StreamMissing, StreamReplaced
from services.bus.jetstream import JetStreamBus
from tests.bus.follower import Follower
from tests.bus.messages import ids, message, messages, read_all
from tests.servers import NatsServer
from tests.waiting import until


@pytest.fixture
async def follower(jetstream: JetStreamBus) -> AsyncIterator[Follower]:
    """Reads from the beginning on the test's bus."""
    follower = Follower(jetstream)
    yield follower
    follower.task.cancel()
    await asyncio.gather(follower.task, return_exceptions=True)


async def consumers(bus: JetStreamBus) -> list[str]:
    """The names of the stream's consumers."""
    return list((await bus._link.api("CONSUMER.NAMES.TIPS"))["consumers"] or ())


async def test_a_lost_connection_does_not_show_in_what_is_read(jetstream: JetStreamBus, follower: Follower) -> None:
    for start in range(0, 5000, 1000):
        await jetstream.publish_batch(messages(1000, start=start))
        await jetstream._link.nc.force_reconnect()
    await follower.reached(5000)
    assert ids(follower.seen) == [f"e{n}" for n in range(5000)]


async def test_a_connection_lost_in_the_middle_of_a_message_is_renewed_at_once(jetstream: JetStreamBus) -> None:
    nc = jetstream._link.nc
    before = nc.stats["reconnects"]
    await nc.force_reconnect()
    # What the old socket still held when another task found it broken: nats-py's reading task parses it all the same.
    await nc._ps.parse(b"MSG tips.scored.ana 8 100000\r\nand no more of it")
    await until(lambda: nc.stats["reconnects"] > before)
    async with asyncio.timeout(5):
        await jetstream.info()


async def test_a_lost_consumer_is_replaced(jetstream: JetStreamBus, follower: Follower) -> None:
    await jetstream.publish_batch(messages(10))
    await follower.reached(10)
    (name,) = await consumers(jetstream)
    await jetstream._link.api(f"CONSUMER.DELETE.TIPS.{name}")
    await jetstream.publish_batch(messages(10, start=10))
    await follower.reached(20)
    assert ids(follower.seen) == [f"e{n}" for n in range(20)]
    assert await consumers(jetstream) != [name]


async def test_a_delivery_that_went_elsewhere_is_noticed_and_read_again(
    jetstream: JetStreamBus, follower: Follower
) -> None:
    await jetstream.publish(message(0))
    await follower.reached(1)
    (name,) = await consumers(jetstream)
    thief = await jetstream._link.nc.subscribe("_INBOX.thief")
    await jetstream._link.nc.publish(f"$JS.API.CONSUMER.MSG.NEXT.TIPS.{name}", b'{"batch": 2}', "_INBOX.thief")
    await jetstream.publish_batch(messages(20, start=1))
    await follower.reached(21)
    assert thief.delivered == 2
    assert ids(follower.seen) == [f"e{n}" for n in range(21)]


async def test_silence_of_the_server_renews_the_consumer(
    nats_server: NatsServer, jetstream: JetStreamBus, follower: Follower, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await jetstream.publish(message(0))
    await follower.reached(1)
    (name,) = await consumers(jetstream)
    nats_server.pause()
    try:
        await until(lambda: "heartbeats stopped" in caplog.text)
        # The connection stands, so nobody else tells of it.
        await until(lambda: "waiting for stream TIPS: " in caplog.text)
    finally:
        nats_server.resume()
    await jetstream.publish(message(1))
    await follower.reached(2)
    assert ids(follower.seen) == ["e0", "e1"]
    assert await consumers(jetstream) != [name]


async def test_a_reader_that_stops_asking_is_not_flooded(jetstream: JetStreamBus) -> None:
    await jetstream.publish_batch(messages(20_000))
    reading = jetstream.read(0, upto=20_000)
    first = await anext(reading)
    (name,) = await consumers(jetstream)
    delivered = [-1, 0]
    while delivered[-1] != delivered[-2]:
        for _ in range(50):
            info = await jetstream._link.api(f"CONSUMER.INFO.TIPS.{name}")
        delivered.append(info["delivered"]["stream_seq"])
    assert delivered[-1] <= len(first) + reader.MAX_WAITING + 2 * reader.BATCH
    rest = [record async for batch in reading for record in batch]
    assert [record.seq for record in [*first, *rest]] == list(range(1, 20_001))


async def test_large_messages_are_held_back_by_their_bytes(jetstream: JetStreamBus) -> None:
    body = b"x" * 1_000_000
    for number in range(120):
        big = message(number)
        await jetstream.publish(type(big)(big.subject, big.headers, body))
    reading = jetstream.read(0, upto=120)
    first = await anext(reading)
    (name,) = await consumers(jetstream)
    delivered = [-1, 0]
    while delivered[-1] != delivered[-2]:
        for _ in range(50):
            info = await jetstream._link.api(f"CONSUMER.INFO.TIPS.{name}")
        delivered.append(info["delivered"]["stream_seq"])
    waiting = reader.MAX_WAITING_BYTES + 2 * 8 * 1024 * 1024
    assert delivered[-1] <= len(first) + waiting / len(body) + 1
    rest = [record async for batch in reading for record in batch]
    assert [record.seq for record in [*first, *rest]] == list(range(1, 121))


async def test_a_reader_gives_its_consumer_back(jetstream: JetStreamBus) -> None:
    await jetstream.publish_batch(messages(10))
    await read_all(jetstream, 0, 10)

    async def none_left() -> bool:
        return await consumers(jetstream) == []

    await until(none_left)


async def test_another_stream_under_the_same_name_is_an_error_to_a_reader(
    nats_server: NatsServer, jetstream: JetStreamBus, follower: Follower, tmp_path: Path
) -> None:
    await jetstream.publish(message(0))
    await follower.reached(1)
    (tmp_path / "other").mkdir()
    other = NatsServer(tmp_path / "other")
    other.start()
    declaring = await JetStreamBus.connect(other.url, name="other")
    await declaring.declare()
    await declaring.close()
    other.stop()
    await asyncio.to_thread(nats_server.kill)
    nats_server.home = other.home
    await asyncio.to_thread(nats_server.start)
    with pytest.raises(StreamReplaced, match="was replaced"):
        await asyncio.wait_for(follower.task, 10)


async def test_a_stream_deleted_under_a_reader_is_an_error(jetstream: JetStreamBus, follower: Follower) -> None:
    await jetstream.publish(message(0))
    await follower.reached(1)
    await jetstream._link.api("STREAM.DELETE.TIPS")
    with pytest.raises(StreamMissing):
        await asyncio.wait_for(follower.task, 10)


async def test_a_stream_that_is_not_there_is_named(nats_server: NatsServer) -> None:
    bus = await JetStreamBus.connect(nats_server.url, name="test")
    with pytest.raises(StreamMissing, match="stream not found"):
        await bus.info()
    with pytest.raises(StreamMissing):
        await anext(bus.read(0))
    await bus.close()
