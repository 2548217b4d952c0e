"""Reading, the same on both buses: order, bounds, filters, gaps, waiting."""

import asyncio

import pytest

from contracts.envelope import Recorded
from services.bus.errors import BusClosed
from tests.bus.messages import Bus, ids, message, messages, read_all, read_count
from tests.waiting import until


async def test_reading_starts_after_the_given_sequence(bus: Bus) -> None:
    await bus.publish_batch(messages(20))
    assert [record.seq for record in await read_all(bus, 7, 20)] == list(range(8, 21))


async def test_reading_stops_after_upto(bus: Bus) -> None:
    await bus.publish_batch(messages(20))
    assert [record.seq for record in await read_all(bus, 3, 9)] == [4, 5, 6, 7, 8, 9]


async def test_reading_nothing_ends_at_once(bus: Bus) -> None:
    assert await read_all(bus, 0, 0) == []
    await bus.publish_batch(messages(5))
    assert await read_all(bus, 5, 5) == []
    assert await read_all(bus, 5, 3) == []


async def test_a_reader_waits_for_an_upto_that_is_still_to_come(bus: Bus) -> None:
    await bus.publish_batch(messages(5))
    reading = asyncio.create_task(read_all(bus, 0, 8))
    await bus.publish_batch(messages(5, start=5))
    assert [record.seq for record in await reading] == list(range(1, 9))


async def test_recorded_time_is_the_streams_and_never_falls(bus: Bus) -> None:
    await bus.publish_batch(messages(50))
    times = [record.recorded_ns for record in await read_all(bus, 0, 50)]
    assert times == sorted(times)
    assert times[0] > 1_700_000_000_000_000_000


async def test_reading_twice_gives_the_same_records(bus: Bus) -> None:
    await bus.publish_batch(messages(300))
    assert await read_all(bus, 0, 300) == await read_all(bus, 0, 300)


async def test_subjects_pick_what_is_read(bus: Bus) -> None:
    for number, subject in enumerate(
        ("tips.scored.ana", "tips.feedback.done.ana", "tips.scored.ben", "tips.catalog.walk", "tips.feedback.done.ben")
    ):
        await bus.publish(message(number, subject))
    assert ids(await read_all(bus, 0, 5, ["tips.scored.*"])) == ["e0", "e2"]
    assert ids(await read_all(bus, 0, 5, ["tips.feedback.>", "tips.catalog.*"])) == ["e1", "e3", "e4"]
    assert ids(await read_all(bus, 0, 5, ["tips.*.ana", "tips.feedback.*.ana"])) == ["e0", "e1"]
    assert await read_all(bus, 0, 5, ["tips.admin.>"]) == []


async def test_the_subjects_that_hold_something_are_told(bus: Bus) -> None:
    assert await bus.subjects("tips.>") == frozenset()
    for number, subject in enumerate(["tips.catalog.a", "tips.catalog.b", "tips.scored.ana", "tips.catalog.a"]):
        await bus.publish(message(number, subject))
    assert await bus.subjects("tips.catalog.*") == {"tips.catalog.a", "tips.catalog.b"}
    assert await bus.subjects("tips.>") == {"tips.catalog.a", "tips.catalog.b", "tips.scored.ana"}
    await bus.delete(2)
    assert await bus.subjects("tips.catalog.*") == {"tips.catalog.a"}


async def test_a_message_is_found_by_its_sequence(bus: Bus) -> None:
    await bus.publish_batch(messages(3))
    records = await read_all(bus, 0, 3)
    assert [await bus.get(seq) for seq in (1, 2, 3)] == records
    assert await bus.get(4) is None


async def test_deleted_sequences_are_stepped_over_and_named(bus: Bus) -> None:
    await bus.publish_batch(messages(12))
    for seq in (3, 6, 7, 8, 11):
        await bus.delete(seq)
    assert [record.seq for record in await read_all(bus, 0, 12)] == [1, 2, 4, 5, 9, 10, 12]
    assert await bus.missing(1, 12) == [(3, 3), (6, 8), (11, 11)]
    assert await bus.missing(7, 10) == [(7, 8)]
    assert await bus.missing(4, 5) == []
    assert await bus.get(6) is None
    info = await bus.info()
    assert (info.first_seq, info.last_seq, info.messages, info.deleted) == (1, 12, 7, 5)


async def test_what_is_gone_at_the_beginning_is_missing_too(bus: Bus) -> None:
    await bus.publish_batch(messages(6))
    for seq in (1, 2, 4):
        await bus.delete(seq)
    assert (await bus.info()).first_seq == 3
    assert await bus.missing(1, 6) == [(1, 2), (4, 4)]
    assert [record.seq for record in await read_all(bus, 0, 6)] == [3, 5, 6]


async def test_what_is_still_to_come_is_not_missing(bus: Bus) -> None:
    await bus.publish_batch(messages(3))
    assert await bus.missing(1, 10) == []


async def test_deleting_twice_or_what_never_was_is_fine(bus: Bus) -> None:
    await bus.publish_batch(messages(3))
    await bus.delete(2)
    await bus.delete(2)
    await bus.delete(99)
    assert await bus.missing(1, 3) == [(2, 2)]


async def test_a_read_ends_although_its_last_sequences_were_deleted(bus: Bus) -> None:
    await bus.publish_batch(messages(10))
    for seq in (8, 9, 10):
        await bus.delete(seq)
    assert [record.seq for record in await read_all(bus, 4, 10)] == [5, 6, 7]
    assert await read_all(bus, 7, 10) == []
    assert (await bus.info()).last_seq == 10


async def test_a_read_ends_although_everything_was_deleted(bus: Bus) -> None:
    await bus.publish_batch(messages(4))
    for seq in range(1, 5):
        await bus.delete(seq)
    assert await read_all(bus, 0, 4) == []
    assert await bus.missing(1, 4) == [(1, 4)]
    info = await bus.info()
    assert (info.first_seq, info.last_seq, info.messages) == (5, 4, 0)


async def test_a_read_ends_although_only_its_beginning_matches(bus: Bus) -> None:
    await bus.publish(message(0, "tips.catalog.walk"))
    await bus.publish_batch(messages(10, start=1))
    assert ids(await read_all(bus, 0, 11, ["tips.catalog.*"])) == ["e0"]


async def test_a_reader_sees_what_is_published_while_it_reads(bus: Bus) -> None:
    await bus.publish_batch(messages(100))
    reading = asyncio.create_task(read_count(bus, 0, 3100))
    for start in range(100, 2100, 500):
        await bus.publish_batch(messages(500, start=start))
    await asyncio.gather(*(bus.publish(message(n)) for n in range(2100, 3100)))
    records = await reading
    assert [record.seq for record in records] == list(range(1, 3101))
    assert len(set(ids(records))) == 3100


async def test_readers_do_not_share_anything(bus: Bus) -> None:
    await bus.publish_batch(messages(1500))
    first, second, third = await asyncio.gather(
        read_all(bus, 0, 1500), read_all(bus, 1000, 1500), read_all(bus, 0, 700)
    )
    assert (len(first), len(second), len(third)) == (1500, 500, 700)


async def test_a_slow_reader_gets_everything_once(bus: Bus) -> None:
    await bus.publish_batch(messages(12_000))
    found: list[Recorded] = []
    async for batch in bus.read(0, upto=12_000):
        found.extend(batch)
        # Others run in between, as they do while a fold commits in a thread.
        for _ in range(20):
            await bus.info()
    assert [record.seq for record in found] == list(range(1, 12_001))


async def test_a_reader_that_is_abandoned_can_be_followed_by_another(bus: Bus) -> None:
    await bus.publish_batch(messages(2000))
    reader = bus.read(0)
    first = await anext(reader)
    await reader.aclose()  # type: ignore[attr-defined]
    rest = await read_all(bus, first[-1].seq, 2000)
    assert [record.seq for record in [*first, *rest]] == list(range(1, 2001))


async def test_a_cancelled_reader_ends(bus: Bus) -> None:
    async def follow() -> None:
        async for _ in bus.read(0):
            pass

    task = asyncio.create_task(follow())
    await bus.publish(message(1))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


async def test_closing_the_bus_ends_its_readers_with_an_error(bus: Bus) -> None:
    seen: list[Recorded] = []

    async def follow() -> None:
        async for batch in bus.read(0):
            seen.extend(batch)

    task = asyncio.create_task(follow())
    await bus.publish(message(1))
    await until(lambda: len(seen) == 1)
    await bus.close()
    with pytest.raises(BusClosed):
        await asyncio.wait_for(task, 10)
