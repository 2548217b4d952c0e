"""The last events of the stream in memory, read once for all who watch, however many they are.

Whoever follows has a queue of bounded size: one who is slow loses the oldest events in it and is told how many.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from contracts.codec import Decoder, trust_of
from contracts.envelope import Entry, Recorded
from contracts.errors import TipstreamError
from contracts.events.admin import UserErased
from contracts.subjects import matches
from projections.rate import Rate
from services.api.sightings import Sighting, Wanted
from services.api.stream_link import StreamLink
from services.bootstrap import Bus
from services.bus.stream import StreamInfo

RING, QUEUE = 500, 2000
# A body may have a megabyte.
MOST_BYTES = 16 * 1024 * 1024
PERIOD_S, PULSE_S = 0.125, 1.0
FILL_S = 2.0
PAUSE_S = 0.5
# While somebody imports a log nobody can read along: further behind than this, reading goes on at the end.
MOST_BEHIND, LOOK_S = 5000, 1.0
ERASED = "tips.admin.user.erased.*"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """What is new for one follower, in stream order; `skipped` counts what was lost before these.

    `renewed`: the stream is another one than before, what came earlier is not of it.
    """

    sightings: list[Sighting]
    skipped: int = 0
    renewed: bool = False


class _Newest:
    """The newest messages, at most so many and so many bytes of body."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: deque[Sighting] = deque()
        self._bytes = 0

    def __iter__(self) -> Iterator[Sighting]:
        return iter(self._held)

    def __reversed__(self) -> Iterator[Sighting]:
        return reversed(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def add(self, sightings: Iterable[Sighting]) -> int:
        """Hold these too; how many older ones had to go."""
        dropped = 0
        for sighting in sightings:
            self._held.append(sighting)
            self._bytes += len(sighting.recorded.data)
            while len(self._held) > self._most or self._bytes > MOST_BYTES:
                self._bytes -= len(self._held.popleft().recorded.data)
                dropped += 1
        return dropped

    def keep(self, wanted: Callable[[Sighting], bool]) -> None:
        """Let go of all others."""
        self._held = deque(one for one in self._held if wanted(one))
        self._bytes = sum(len(one.recorded.data) for one in self._held)

    def take(self) -> list[Sighting]:
        """All of them; none is held any more."""
        taken = list(self._held)
        self.keep(lambda _: False)
        return taken


class _Queue:
    """One follower's wanted events that were not fetched yet."""

    def __init__(self, wanted: Wanted, after: int) -> None:
        self._wanted = wanted
        self.after = after
        self.ready = asyncio.Event()
        self.events = _Newest(QUEUE)
        self.skipped, self.renewed = 0, False

    def add(self, sightings: Iterable[Sighting]) -> None:
        wanted = [one for one in sightings if one.recorded.seq > self.after and self._wanted.takes(one)]
        if wanted:
            self.skipped += self.events.add(wanted)
            self.ready.set()

    def renew(self) -> None:
        self.events.take()
        self.after, self.skipped, self.renewed = 0, 0, True
        self.ready.set()

    def take(self) -> Batch:
        batch = Batch(self.events.take(), self.skipped, self.renewed)
        self.skipped, self.renewed = 0, False
        self.ready.clear()
        return batch


class Ring:
    """`start` it once; then `latest` and `follow` for any number of watchers. `seq` is the last event read."""

    def __init__(self, link: StreamLink) -> None:
        self._link = link
        self._events = _Newest(RING)
        self._created: str | None = None
        self._end = 0
        self._filled = asyncio.Event()
        self._queues: set[_Queue] = set()
        self._rate = Rate()
        self._task: asyncio.Task[None] | None = None
        self.seq = 0

    def start(self) -> None:
        """Begin to read, as soon as the stream is there."""
        self._task = asyncio.create_task(self._keep_reading(), name="read the last events")

    async def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def events_per_s(self) -> float:
        """How many events came into the stream a second, lately."""
        return self._rate.per_second()

    async def filled(self) -> None:
        """Return once the ring holds the stream's last events, or after two seconds without."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FILL_S):
                await self._filled.wait()

    def latest(self, wanted: Wanted, limit: int = RING) -> list[Sighting]:
        """The last `limit` wanted events of the ring, in stream order."""
        return list(islice(filter(wanted.takes, reversed(self._events)), limit))[::-1]

    async def follow(self, wanted: Wanted, after: int | None = None) -> AsyncGenerator[Batch, None]:
        """First what the ring holds (after a sequence, if given), then what comes, eight times a second at most.

        A batch comes at least once a second, empty if need be, so that a follower can tell that the ring is alive.
        """
        await self.filled()
        known = after is not None and (after <= max(self.seq, self._end) or self._created is None)
        queue = _Queue(wanted, after if after is not None and known else 0)
        if queue.after:
            oldest = next((one.recorded.seq for one in self._events), self.seq + 1)
            queue.skipped = max(oldest - queue.after - 1, 0)
        queue.add(self._events)
        self._queues.add(queue)
        try:
            while True:
                yield queue.take()
                await asyncio.sleep(PERIOD_S)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PULSE_S - PERIOD_S):
                        await queue.ready.wait()
        finally:
            self._queues.discard(queue)

    async def _keep_reading(self) -> None:
        said = None
        while True:
            try:
                await self._read(self._link.bus)
            except TipstreamError as problem:
                if str(problem) != said:
                    log.info("not reading the last events: %s", problem)
                said = str(problem)
                await asyncio.sleep(PAUSE_S)

    async def _read(self, bus: Bus) -> None:
        info = await bus.info()
        decoder = Decoder(info.created, trust_of(await bus.get(info.first_seq)))
        self._begin(info)
        reading, looked = bus.read(self.seq), 0.0
        try:
            async for records in reading:
                self._add(records, decoder)
                now = asyncio.get_running_loop().time()
                if len(records) >= RING and now - looked > LOOK_S:
                    looked = now
                    if (await bus.info()).last_seq - self.seq > MOST_BEHIND:
                        return
        finally:
            assert isinstance(reading, AsyncGenerator)
            await reading.aclose()

    def _begin(self, info: StreamInfo) -> None:
        """Go on where the ring ends; at the stream's last events when that is far away or another stream's."""
        if self._created not in (None, info.created):
            self._events.take()
            self.seq = 0
            for queue in self._queues:
                queue.renew()
        start = max(info.last_seq - RING, self.seq)
        if self._created == info.created:
            for queue in self._queues:
                queue.skipped += start - self.seq
        self.seq, self._end, self._created = start, info.last_seq, info.created

    def _add(self, records: list[Recorded], decoder: Decoder) -> None:
        sightings = [Sighting(recorded, decoder) for recorded in records]
        self._rate.count(len(records))
        self.seq = records[-1].seq
        self._events.add(sightings)
        for queue in self._queues:
            queue.add(sightings)
        for sighting in sightings:
            if matches(ERASED, sighting.recorded.subject):
                self._forget(sighting)
        if self.seq >= self._end:
            self._filled.set()

    def _forget(self, receipt: Sighting) -> None:
        """What was erased from the stream is not shown here either."""
        if not isinstance(receipt.item, Entry) or not isinstance(receipt.item.event, UserErased):
            return
        ranges = receipt.item.event.ranges

        def stays(one: Sighting) -> bool:
            return not any(first <= one.recorded.seq <= last for first, last in ranges)

        for held in (self._events, *(queue.events for queue in self._queues)):
            held.keep(stays)
