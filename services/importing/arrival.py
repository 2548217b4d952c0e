"""Getting imported messages onto the stream: what it holds already is left out, the rest goes in atomic batches."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from itertools import islice
from typing import Protocol

from contracts.envelope import Message, Recorded
from contracts.headers import MSG_ID

BATCH = 1000
MAX_FILTERS = 1000

Watcher = Callable[[int, int], None]
"""Called with how much is dealt with so far and how much there is."""


class Info(Protocol):
    """What is asked of the stream's state."""

    @property
    def last_seq(self) -> int: ...


class Bus(Protocol):
    """The stream, as far as an import needs it."""

    async def info(self) -> Info: ...

    async def publish_batch(self, messages: Sequence[Message]) -> int: ...

    def read(
        self, after: int, *, upto: int | None = None, subjects: Sequence[str] = ()
    ) -> AsyncIterator[list[Recorded]]: ...


class Arrivals:
    """Publishes what is new and counts it.

    The server forgets ids after its duplicate window and the folds theirs after a month of stream time, so an import
    that may come again looks for its ids in the stream itself.
    """

    def __init__(self, bus: Bus, known: set[bytes]) -> None:
        self._bus = bus
        self._known = known
        self.added = 0
        self.duplicates = 0

    @classmethod
    async def on(cls, bus: Bus, subjects: Iterable[str] = ()) -> "Arrivals":
        """Knows every id that stands on these subjects, or in the whole stream when none are given."""
        wanted = sorted(set(subjects))
        known: set[bytes] = set()
        last = (await bus.info()).last_seq
        filters = wanted if len(wanted) <= MAX_FILTERS else ()
        if last:
            async for records in bus.read(0, upto=last, subjects=filters):
                known.update(_mark(record.headers[MSG_ID]) for record in records if MSG_ID in record.headers)
        return cls(bus, known)

    async def publish(self, messages: Iterable[Message], moved: Callable[[], None]) -> None:
        """Publish the new ones among `messages` in order, a batch at a time, and call `moved` after each."""
        iterator = iter(messages)
        while batch := list(islice(iterator, BATCH)):
            new = []
            for message in batch:
                mark = _mark(message.headers[MSG_ID])
                if mark not in self._known:
                    self._known.add(mark)
                    new.append(message)
            if new:
                await self._bus.publish_batch(new)
            self.added += len(new)
            self.duplicates += len(batch) - len(new)
            moved()


def _mark(message_id: str) -> bytes:
    return hashlib.blake2b(message_id.encode(), digest_size=16).digest()
