"""The bus in one process: same methods and same answers as `JetStreamBus`, nothing kept, time from a given clock."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from contracts.envelope import Message, Recorded
from contracts.headers import MSG_ID
from contracts.subjects import STREAM, matches
from contracts.times import format_time
from services.bus.core import MAX_HEARD, Handler, check_core_subject, failure
from services.bus.errors import BusClosed, NoAnswer, NoResponder, RequestFailed
from services.bus.stream import DUPLICATE_WINDOW_S, Ack, StreamInfo, check_message, ranges

MAX_PAYLOAD = 1024 * 1024
LIST = 1000


class MemoryBus:
    """A stream in a list; `clock` gives nanoseconds since 1970 and is asked once for each message."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._created = format_time(clock() // 1000)
        self._records: list[Recorded] = []
        self._last = 0
        self._ids: dict[str, tuple[int, int]] = {}
        self._changed = asyncio.Event()
        self._responders: dict[str, Handler] = {}
        self._listeners: dict[asyncio.Queue[tuple[str, bytes] | None], str] = {}
        self._closed = False
        self.connected = True
        self.last_error: str | None = None
        self.refusing: str | None = None
        self.server = "in memory"

    async def declare(self) -> StreamInfo:
        """The stream is there from the start."""
        return await self.info()

    async def info(self) -> StreamInfo:
        """The stream's state now."""
        records = self._records
        first = records[0].seq if records else self._last + 1 if self._last else 0
        return StreamInfo(
            name=STREAM,
            created=self._created,
            first_seq=first,
            last_seq=self._last,
            messages=len(records),
            deleted=self._last - first + 1 - len(records) if records else 0,
            bytes=sum(len(record.data) for record in records),
        )

    async def publish(self, message: Message, *, timeout: float | None = None) -> Ack:
        """Store one message and return its place. Raises PublishRefused, BusClosed."""
        return self._store(message)

    async def publish_all(self, messages: Sequence[Message]) -> list[Ack]:
        """Store any number in order and return their places, or none when one is refused."""
        for message in messages:
            check_message(message, MAX_PAYLOAD)
        return [self._store(message) for message in messages]

    async def publish_batch(self, messages: Sequence[Message]) -> int:
        """As `publish_all`; the highest sequence, 0 for none."""
        return max((ack.seq for ack in await self.publish_all(messages)), default=0)

    async def read(
        self, after: int, *, upto: int | None = None, subjects: Sequence[str] = ()
    ) -> AsyncIterator[list[Recorded]]:
        """Everything stored after `after`, in order, in lists; ends after `upto`, else waits for more."""
        while upto is None or after < upto:
            if self._closed:
                raise BusClosed("the bus is closed; make a new one")
            start = bisect_right(self._records, after, key=lambda record: record.seq)
            found = self._records[start : start + LIST]
            if found:
                after = found[-1].seq
                wanted = [
                    record
                    for record in found
                    if (upto is None or record.seq <= upto)
                    and (not subjects or any(matches(pattern, record.subject) for pattern in subjects))
                ]
                if wanted:
                    yield wanted
                await asyncio.sleep(0)
            elif upto is not None and self._last >= upto:
                return
            else:
                await self._changed.wait()

    async def get(self, seq: int) -> Recorded | None:
        """The message at a sequence, None when there is none."""
        at = bisect_right(self._records, seq - 1, key=lambda record: record.seq)
        found = self._records[at : at + 1]
        return found[0] if found and found[0].seq == seq else None

    async def subjects(self, pattern: str) -> frozenset[str]:
        """The subjects under a pattern (wildcards allowed) that hold a message."""
        return frozenset(record.subject for record in self._records if matches(pattern, record.subject))

    async def missing(self, first: int, last: int) -> list[tuple[int, int]]:
        """The inclusive ranges of [first, last] that were stored once and are gone."""
        there = {record.seq for record in self._records if first <= record.seq <= last}
        return ranges([seq for seq in range(max(first, 1), min(last, self._last) + 1) if seq not in there])

    async def delete(self, seq: int) -> None:
        """Remove one message."""
        self._records = [record for record in self._records if record.seq != seq]

    async def request(self, subject: str, data: bytes, timeout: float) -> bytes:
        """Ask a handler of this process. Raises NoAnswer, RequestFailed."""
        check_core_subject(subject)
        handler = next((h for pattern, h in self._responders.items() if matches(pattern, subject)), None)
        if handler is None or self._closed:
            raise NoResponder(f"nobody answers on {subject}; see whether the process that serves it runs")
        try:
            async with asyncio.timeout(timeout):
                return await handler(data)
        except TimeoutError:
            raise NoAnswer(f"no answer on {subject} within {timeout:g} s") from None
        except Exception as problem:
            raise RequestFailed(failure(subject, problem)) from problem

    async def respond(self, subject: str, handler: Handler) -> None:
        """Answer requests until the bus is closed."""
        check_core_subject(subject)
        self._responders[subject] = handler

    async def tell(self, subject: str, data: bytes) -> None:
        """Say something to whoever listens now."""
        check_core_subject(subject)
        for heard, pattern in self._listeners.items():
            if matches(pattern, subject) and heard.qsize() < MAX_HEARD:
                heard.put_nowait((subject, data))

    async def listen(self, subject: str) -> AsyncGenerator[tuple[str, bytes], None]:
        """(subject, data) of what is told from the first step on; ends when the bus is closed."""
        check_core_subject(subject)
        heard: asyncio.Queue[tuple[str, bytes] | None] = asyncio.Queue()
        self._listeners[heard] = subject
        try:
            while (item := await heard.get()) is not None:
                yield item
        finally:
            del self._listeners[heard]

    async def close(self) -> None:
        """End readers and listeners."""
        self._closed, self.connected = True, False
        for heard in self._listeners:
            heard.put_nowait(None)
        self._wake()

    def _store(self, message: Message) -> Ack:
        check_message(message, MAX_PAYLOAD)
        if self._closed:
            raise BusClosed("the bus is closed; make a new one")
        now, msg_id = self._clock(), message.headers[MSG_ID]
        self._forget(now)
        if msg_id in self._ids:
            return Ack(self._ids[msg_id][0], True)
        self._last += 1
        self._ids[msg_id] = (self._last, now)
        self._records.append(Recorded(self._last, now, message.subject, dict(message.headers), message.data))
        self._wake()
        return Ack(self._last, False)

    def _forget(self, now: int) -> None:
        """Drop ids older than the duplicate window; they stand in the order they came."""
        while self._ids:
            msg_id = next(iter(self._ids))
            if now - self._ids[msg_id][1] < DUPLICATE_WINDOW_S * 1_000_000_000:
                return
            del self._ids[msg_id]

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
