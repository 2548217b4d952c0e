"""What only a real server can do: die, freeze, come back, lose a consumer. Nothing is lost or counted twice.

Longer than 350 lines because each way to lose a server is held beside the others, on the same follower.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.envelope import Message, Recorded
from services.bus import reader
from services.bus.errors import BusClosed, BusUnavailable, NoAnswer, StreamMissing, StreamReplaced
from services.bus.jetstream import JetStreamBus
from tests.bus.messages import ids, message, messages, read_all
from tests.servers import NatsServer
from tests.waiting import until

KILLS = 4
PUBLISHERS = 12


class Follower:
    """A reader in a task; `seen` is all it got."""

    def __init__(self, bus: JetStreamBus, after: int = 0) -> None:
        self.seen: list[Recorded] = []
        self.task = asyncio.create_task(self._follow(bus, after))

    async def _follow(self, bus: JetStreamBus, after: int) -> None:
        async for batch in bus.read(after):
            self.seen.extend(batch)

    async def reached(self, seq: int) -> None:
        await until(lambda: self.task.done() or (bool(self.seen) and self.seen[-1].seq >= seq))
        if self.task.done():
            await self.task


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


async def test_kill_nine_while_publishing_and_reading_loses_and_repeats_nothing(
    nats_server: NatsServer, jetstream: JetStreamBus
) -> None:
    reading = await JetStreamBus.connect(nats_server.url, name="reader")
    follower = Follower(reading)
    acked: dict[str, int] = {}
    numbers = iter(range(10_000_000))
    running = True

    async def publish_singly() -> None:
        while running:
            number = next(numbers)
            acked[f"e{number}"] = (await jetstream.publish(message(number))).seq

    async def publish_in_batches() -> None:
        while running:
            batch = [message(next(numbers)) for _ in range(1200)]
            last = await jetstream.publish_batch(batch)
            acked.update({f"e{sent.headers['Nats-Msg-Id'][1:]}": 0 for sent in batch})
            acked[batch[-1].headers["Nats-Msg-Id"]] = last

    publishing = [asyncio.create_task(publish_singly()) for _ in range(PUBLISHERS)]
    publishing.append(asyncio.create_task(publish_in_batches()))
    for _ in range(KILLS):
        acks, seen = len(acked), len(follower.seen)
        await until(lambda a=acks, s=seen: len(acked) > a + 500 and len(follower.seen) > s + 500)  # type: ignore[misc]
        await asyncio.to_thread(nats_server.kill)
        await until(lambda: not jetstream.connected and not reading.connected)
        await asyncio.to_thread(nats_server.start)
    running = False
    async with asyncio.timeout(30):
        await asyncio.gather(*publishing)

    last = (await jetstream.info()).last_seq
    stored = await read_all(jetstream, 0, last)
    places = {record.headers["Nats-Msg-Id"]: record.seq for record in stored}
    assert len(places) == len(stored) == last
    assert places.keys() == acked.keys()
    assert {name: seq for name, seq in acked.items() if seq and places[name] != seq} == {}
    await follower.reached(last)
    assert follower.seen == stored
    follower.task.cancel()
    await reading.close()


async def test_a_batch_cut_by_a_crash_is_finished_once(nats_server: NatsServer, jetstream: JetStreamBus) -> None:
    publishing = asyncio.create_task(jetstream.publish_batch(messages(20_000)))

    async def half_way() -> bool:
        return (await jetstream.info()).last_seq >= 3000

    await until(half_way)
    await asyncio.to_thread(nats_server.kill)
    await asyncio.to_thread(nats_server.start)
    assert await asyncio.wait_for(publishing, 60) == 20_000
    assert ids(await read_all(jetstream, 0, 20_000)) == [f"e{n}" for n in range(20_000)]


async def test_ids_are_remembered_through_a_crash(nats_server: NatsServer, jetstream: JetStreamBus) -> None:
    await jetstream.publish_batch(messages(1500))
    await asyncio.to_thread(nats_server.kill)
    await asyncio.to_thread(nats_server.start)
    assert await jetstream.publish_batch(messages(1500)) == 1500
    assert (await jetstream.publish(message(3))).duplicate
    assert (await jetstream.info()).messages == 1500


async def test_with_the_server_away_publishing_fails_in_time_and_leaves_nothing_behind(
    nats_server: NatsServer, jetstream: JetStreamBus
) -> None:
    await jetstream.publish(message(0))
    await asyncio.to_thread(nats_server.kill)
    await until(lambda: not jetstream.connected)
    started = asyncio.get_running_loop().time()
    with pytest.raises(BusUnavailable, match=r"within 0\.3 s: the NATS server is away"):
        await jetstream.publish(message(1), timeout=0.3)
    with pytest.raises(BusUnavailable):
        await jetstream.publish(message(2), timeout=0)
    assert 0.3 <= asyncio.get_running_loop().time() - started < 1
    while_away = jetstream.last_error
    await asyncio.to_thread(nats_server.start)
    await until(lambda: jetstream.connected)
    assert (bool(while_away), jetstream.last_error) == (True, None)
    ack = await jetstream.publish(message(3))
    assert (ack.seq, ack.duplicate) == (2, False)
    assert (await jetstream.publish(message(1))).seq == 3


async def test_a_publish_without_a_deadline_waits_for_the_server(
    nats_server: NatsServer, jetstream: JetStreamBus
) -> None:
    await asyncio.to_thread(nats_server.kill)
    await until(lambda: not jetstream.connected)
    publishing = asyncio.gather(*(jetstream.publish(message(n)) for n in range(50)))
    await asyncio.to_thread(nats_server.start)
    acks = await asyncio.wait_for(publishing, 10)
    assert [ack.seq for ack in acks] == list(range(1, 51))


async def test_with_the_server_frozen_publishing_fails_in_time(
    nats_server: NatsServer, jetstream: JetStreamBus
) -> None:
    nats_server.pause()
    started = asyncio.get_running_loop().time()
    with pytest.raises(BusUnavailable, match="no ack"):
        await jetstream.publish(message(1), timeout=0.3)
    assert asyncio.get_running_loop().time() - started < 1
    nats_server.resume()
    assert (await jetstream.publish(message(1))).seq == 1
    assert (await jetstream.info()).messages == 1


async def test_with_the_server_frozen_and_much_unsent_the_bus_still_closes(
    nats_server: NatsServer, jetstream: JetStreamBus
) -> None:
    nats_server.pause()
    body = b"x" * 1_000_000
    unsent = [Message("tips.scored.ana", {"Nats-Msg-Id": f"e{n}"}, body) for n in range(30)]
    with pytest.raises(BusUnavailable):
        await jetstream.publish(unsent[0], timeout=0.1)
    publishing = asyncio.create_task(jetstream.publish_all(unsent))
    with pytest.raises(BusUnavailable):
        await jetstream.publish(message(99), timeout=0.3)
    async with asyncio.timeout(8):
        await jetstream.close()
        with pytest.raises(BusClosed):
            await publishing
    nats_server.resume()


async def test_a_cancelled_publish_is_not_sent_later(nats_server: NatsServer, jetstream: JetStreamBus) -> None:
    await asyncio.to_thread(nats_server.kill)
    await until(lambda: not jetstream.connected)
    task = asyncio.create_task(jetstream.publish(message(1)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(nats_server.start)
    await jetstream.publish(message(2))
    assert (await jetstream.info()).messages == 1


async def test_questions_fail_when_the_server_is_away(nats_server: NatsServer, jetstream: JetStreamBus) -> None:
    await asyncio.to_thread(nats_server.kill)
    await until(lambda: not jetstream.connected)
    with pytest.raises(BusUnavailable, match="no NATS server at nats://127"):
        await jetstream._link.ask("$JS.API.STREAM.INFO.TIPS", b"", 0.2)
    with pytest.raises((BusUnavailable, NoAnswer)):
        await jetstream.request("tipstream.anything", b"", 0.2)


async def test_connecting_to_nobody_says_what_to_start(nats_server: NatsServer) -> None:
    nats_server.stop()
    started = asyncio.get_running_loop().time()
    with pytest.raises(BusUnavailable, match="tipstream up"):
        await JetStreamBus.connect(nats_server.url, name="test", timeout=0.5)
    assert asyncio.get_running_loop().time() - started < 3


async def test_connecting_may_be_cancelled(nats_server: NatsServer) -> None:
    nats_server.stop()
    connecting = asyncio.create_task(JetStreamBus.connect(nats_server.url, name="test", timeout=None))
    await asyncio.wait({connecting}, timeout=0.2)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(connecting, 5)


async def test_connecting_waits_for_a_server_that_starts_later(nats_server: NatsServer) -> None:
    nats_server.stop()
    connecting = asyncio.create_task(JetStreamBus.connect(nats_server.url, name="test"))
    await asyncio.to_thread(nats_server.start)
    bus = await connecting
    await bus.declare()
    assert (await bus.publish(message(1))).seq == 1
    await bus.close()


async def test_responders_and_listeners_are_there_again_after_a_restart(
    nats_server: NatsServer, jetstream: JetStreamBus
) -> None:
    async def echo(data: bytes) -> bytes:
        return data

    await jetstream.respond("tipstream.echo", echo)
    await asyncio.to_thread(nats_server.kill)
    await until(lambda: not jetstream.connected)
    await asyncio.to_thread(nats_server.start)
    assert await jetstream.request("tipstream.echo", b"still here", 10) == b"still here"


async def test_a_lost_connection_does_not_show_in_what_is_read(jetstream: JetStreamBus, follower: Follower) -> None:
    for start in range(0, 5000, 1000):
        await jetstream.publish_batch(messages(1000, start=start))
        await jetstream._link.nc.force_reconnect()
    await follower.reached(5000)
    assert ids(follower.seen) == [f"e{n}" for n in range(5000)]


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
