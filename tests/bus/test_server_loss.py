"""What only a real server can do: die, freeze, come back. Nothing is lost or counted twice, and calls fail in time."""

import asyncio

import pytest

from contracts.envelope import Message
from services.bus.errors import BusClosed, BusUnavailable, NoAnswer
from services.bus.jetstream import JetStreamBus
from tests.bus.follower import Follower
from tests.bus.messages import ids, message, messages, read_all
from tests.servers import NatsServer
from tests.waiting import until

KILLS = 4
PUBLISHERS = 12


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
