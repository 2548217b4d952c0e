"""The ring of the last events: filled at once, contiguous, read once for all, bounded for those who are slow."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress

import pytest

from contracts.envelope import Message
from contracts.events.admin import UserErased
from services.api import ring as ring_module
from services.api.ring import QUEUE, RING, Batch, Ring
from services.api.sightings import Sighting, Wanted
from services.api.stream_link import StreamLink
from services.bootstrap import ensure_stream, load_signer
from services.bus.jetstream import JetStreamBus
from services.publishing import EventPublisher
from services.settings import Settings
from tests.bus.messages import message, messages
from tests.servers import NatsServer
from tests.waiting import until

ALL = Wanted()


@pytest.fixture
async def link(settings: Settings) -> AsyncIterator[StreamLink]:
    """The API's way to a stream that has begun."""
    settings.make_home()
    link = StreamLink(settings)
    link.start()
    await until(lambda: link.connected)
    yield link
    await link.close()


@asynccontextmanager
async def reading(link: StreamLink) -> AsyncIterator[Ring]:
    """A ring that is filled."""
    ring = Ring(link)
    ring.start()
    try:
        await until(lambda: ring.seq > 0)
        await ring.filled()
        yield ring
    finally:
        await ring.close()


class Follower:
    """Somebody who follows; `seqs`, `skipped` and `renewed` are what came."""

    def __init__(self, ring: Ring, wanted: Wanted = ALL, after: int | None = None) -> None:
        self.seqs: list[int] = []
        self.batches: list[Batch] = []
        self._task = asyncio.create_task(self._follow(ring, wanted, after))

    async def _follow(self, ring: Ring, wanted: Wanted, after: int | None) -> None:
        async with aclosing(ring.follow(wanted, after)) as batches:
            async for batch in batches:
                self.batches.append(batch)
                self.seqs.extend(seqs(batch.sightings))

    @property
    def skipped(self) -> int:
        return sum(batch.skipped for batch in self.batches)

    async def end(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


def seqs(sightings: list[Sighting]) -> list[int]:
    return [sighting.recorded.seq for sighting in sightings]


async def test_it_holds_the_last_500_from_the_start_and_then_what_comes(link: StreamLink, bus: JetStreamBus) -> None:
    last = await bus.publish_batch(messages(RING + 200))
    async with reading(link) as ring:
        assert seqs(ring.latest(ALL)) == list(range(last - RING + 1, last + 1))
        for number in range(3):
            last = (await bus.publish(message(10_000 + number))).seq
        await until(lambda: ring.seq == last)
        assert seqs(ring.latest(ALL)) == list(range(last - RING + 1, last + 1))
        assert seqs(ring.latest(ALL, 2)) == [last - 1, last]
        assert ring.events_per_s > 0


async def test_one_reader_serves_any_number_of_followers(link: StreamLink, bus: JetStreamBus) -> None:
    async with reading(link) as ring:
        followers = [Follower(ring) for _ in range(20)]
        last = await bus.publish_batch(messages(50))
        await until(lambda: all(follower.seqs[-1:] == [last] for follower in followers))
        assert all(follower.seqs == list(range(1, last + 1)) for follower in followers)
        assert len((await bus._link.api("CONSUMER.NAMES.TIPS"))["consumers"]) == 1
        for follower in followers:
            await follower.end()
        assert not ring._queues


async def test_filters_pick_by_subject_and_by_person_before_anything_is_decoded(
    link: StreamLink, bus: JetStreamBus
) -> None:
    odd = "tips.feedback.done.~YSBi"
    for number, subject in enumerate(("tips.feedback.done.ann", "tips.scored.ann", odd, "tips.signal.ann.bob")):
        await bus.publish(message(number, subject))
    last = (await bus.info()).last_seq
    async with reading(link) as ring:
        assert seqs(ring.latest(Wanted("tips.feedback.*.ann"))) == [last - 3]
        assert seqs(ring.latest(Wanted(user_id="ann"))) == [last - 3, last - 2]
        assert seqs(ring.latest(Wanted("tips.feedback.>", "a b"))) == [last - 1]
        assert seqs(ring.latest(Wanted("tips.feedback.>", "nobody"))) == []
        assert not any("item" in vars(sighting) for sighting in ring.latest(ALL))


async def test_a_follower_gets_only_what_he_wants_and_hears_that_it_is_alive(
    link: StreamLink, bus: JetStreamBus
) -> None:
    async with reading(link) as ring:
        follower = Follower(ring, Wanted("tips.scored.eve"))
        await bus.publish_batch(messages(100))
        wanted = (await bus.publish(message(1000, "tips.scored.eve"))).seq
        await until(lambda: follower.seqs == [wanted])
        before = len(follower.batches)
        await until(lambda: len(follower.batches) > before)
        assert follower.batches[-1] == Batch([])
        await follower.end()


async def test_who_is_slow_loses_the_oldest_and_is_told_how_many(link: StreamLink, bus: JetStreamBus) -> None:
    async with reading(link) as ring, aclosing(ring.follow(Wanted("tips.scored.>"))) as batches:
        assert (await anext(batches)).sightings == []
        last = await bus.publish_batch(messages(QUEUE + 700))
        await until(lambda: ring.seq == last)
        batch = await anext(batches)
        assert (batch.skipped, seqs(batch.sightings)) == (700, list(range(last - QUEUE + 1, last + 1)))
        last = (await bus.publish(message(9999))).seq
        assert (await anext(batches)) == Batch(ring.latest(ALL, 1))


async def test_large_bodies_count_as_many(link: StreamLink, bus: JetStreamBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring_module, "MOST_BYTES", 100_000)
    async with reading(link) as ring, aclosing(ring.follow(Wanted("tips.scored.>"))) as batches:
        await anext(batches)
        for number in range(5):
            large = message(number)
            last = (await bus.publish(Message(large.subject, large.headers, b"x" * 40_000))).seq
        await until(lambda: ring.seq == last)
        assert seqs(ring.latest(ALL)) == [last - 1, last]
        batch = await anext(batches)
        assert (batch.skipped, seqs(batch.sightings)) == (3, [last - 1, last])


async def test_who_comes_back_goes_on_where_he_was(link: StreamLink, bus: JetStreamBus) -> None:
    last = await bus.publish_batch(messages(RING + 100))
    async with reading(link) as ring:
        there, gone, other = (
            Follower(ring, after=last - 3),
            Follower(ring, after=last - RING - 7),
            Follower(ring, after=10**9),
        )
        await until(lambda: all(one.seqs[-1:] == [last] for one in (there, gone, other)))
        assert (there.seqs, there.skipped) == ([last - 2, last - 1, last], 0)
        assert (len(gone.seqs), gone.skipped) == (RING, 7)
        assert (len(other.seqs), other.skipped) == (RING, 0)
        for one in (there, gone, other):
            await one.end()


async def test_a_restart_of_the_server_loses_and_repeats_nothing(
    link: StreamLink, bus: JetStreamBus, nats_server: NatsServer
) -> None:
    async with reading(link) as ring:
        follower = Follower(ring)
        for number in range(3):
            last = await bus.publish_batch(messages(20, start=100 * number))
            await until(lambda at=last: follower.seqs[-1:] == [at])  # type: ignore[misc]
            nats_server.kill()
            nats_server.start()
        last = (await bus.publish(message(9999))).seq
        await until(lambda: follower.seqs[-1:] == [last])
        assert follower.seqs == list(range(1, last + 1)) == seqs(ring.latest(ALL))
        await follower.end()


async def test_another_stream_in_its_place_is_read_from_then_on(
    link: StreamLink, bus: JetStreamBus, settings: Settings
) -> None:
    await bus.publish_batch(messages(30))
    async with reading(link) as ring:
        follower = Follower(ring)
        await until(lambda: follower.seqs[-1:] == [ring.seq])
        await bus._link.api("STREAM.DELETE.TIPS")
        await ensure_stream(bus, settings)
        last = (await bus.publish(message(1))).seq
        await until(lambda: any(batch.renewed for batch in follower.batches) and follower.seqs[-1:] == [last])
        renewed = next(at for at, batch in enumerate(follower.batches) if batch.renewed)
        after = [seq for batch in follower.batches[renewed:] for seq in seqs(batch.sightings)]
        assert after == list(range(1, last + 1)) == seqs(ring.latest(ALL))
        assert ring.latest(ALL)[-2].row.malformed is None
        await follower.end()


async def test_an_import_is_not_read_along_but_skipped_to_its_end(
    link: StreamLink, bus: JetStreamBus, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring_module, "MOST_BEHIND", 1000)

    async def import_() -> int:
        importing = await JetStreamBus.connect(nats_server.url, name="import")
        try:
            return await importing.publish_batch(messages(20_000))
        finally:
            await importing.close()

    async with reading(link) as ring:
        follower = Follower(ring)
        await until(lambda: follower.seqs[-1:] == [ring.seq])
        before = ring.seq
        # The loop stands still meanwhile, so that the stream runs ahead of the ring.
        with ThreadPoolExecutor(1) as another:
            last = another.submit(asyncio.run, import_()).result()
        await until(lambda: follower.seqs[-1:] == [last])
        assert seqs(ring.latest(ALL)) == list(range(last - RING + 1, last + 1))
        assert len([seq for seq in follower.seqs if seq > before]) + follower.skipped == last - before
        assert follower.skipped > 1000
        await follower.end()


async def test_what_was_erased_is_not_shown_any_more(link: StreamLink, bus: JetStreamBus, settings: Settings) -> None:
    first = (await bus.publish(message(1, "tips.scored.ann"))).seq
    await bus.publish(message(2, "tips.scored.bob"))
    async with reading(link) as ring:
        receipt = UserErased(erasure_id="one", ranges=[[first, first]])
        _, ack = await EventPublisher(bus, load_signer(settings), source="/test").publish_signed(receipt, actor="ann")
        await until(lambda: ring.seq == ack.seq)
        assert seqs(ring.latest(Wanted("tips.scored.*"))) == [first + 1]
