"""Getting imported messages onto the stream: what it holds already is left out, the rest goes in atomic batches."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Protocol

from contracts.codec import Decoder
from contracts.envelope import Malformed, Message, Recorded
from contracts.headers import CE_ID, MSG_ID, from_header
from contracts.signing import NO_TRUST

BATCH = 1000
MAX_FILTERS = 1000

Watcher = Callable[[int, int], None]
"""Called with how much is dealt with so far and how much there is."""


class Info(Protocol):
    """What is asked of the stream's state."""

    @property
    def created(self) -> str: ...

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

    The server forgets ids after its duplicate window and the folds theirs after a day of stream time (decisions after
    a month), so an import that may come again looks for its events in the stream itself.

    An event is what the folds take it for: its subject and its id. Two producers may number their events alike, and
    the server knows an id whatever its subject, so what is published has a Nats-Msg-Id of both; the ce-id stays as it
    was given. What is there counts by its event id, whatever Nats-Msg-Id it came with.
    """

    def __init__(self, bus: Bus, known: set[bytes]) -> None:
        self._bus = bus
        self._known = known
        self.added = 0
        self.duplicates = 0

    @classmethod
    async def on(cls, bus: Bus, subjects: Iterable[str] = ()) -> "Arrivals":
        """Knows every event that stands on these subjects, or in the whole stream when none are given."""
        wanted = sorted(set(subjects))
        known: set[bytes] = set()
        info = await bus.info()
        decoder = Decoder(info.created, NO_TRUST)
        filters = wanted if len(wanted) <= MAX_FILTERS else ()
        if info.last_seq:
            async for records in bus.read(0, upto=info.last_seq, subjects=filters):
                known.update(
                    _mark(record.subject, event_id)
                    for record in records
                    if (event_id := _event_id(record, decoder)) is not None
                )
        return cls(bus, known)

    async def publish(self, messages: Iterable[Message], moved: Callable[[], None]) -> None:
        """Publish the new ones among `messages` in order, a batch at a time, and call `moved` after each."""
        iterator = iter(messages)
        while batch := list(islice(iterator, BATCH)):
            new = []
            for message in batch:
                mark = _mark(message.subject, from_header(message.headers[CE_ID]))
                if mark not in self._known:
                    self._known.add(mark)
                    new.append(replace(message, headers=message.headers | {MSG_ID: mark.hex()}))
            if new:
                await self._bus.publish_batch(new)
            self.added += len(new)
            self.duplicates += len(batch) - len(new)
            moved()


def _event_id(record: Recorded, decoder: Decoder) -> str | None:
    """The id of a message's event, None when it is no event."""
    if header := record.headers.get(CE_ID):
        # Most have it, and a long log is read through far sooner without a look at each body.
        return from_header(header)
    entry = decoder.decode(record)
    return None if isinstance(entry, Malformed) else entry.event_id


def _mark(subject: str, event_id: str) -> bytes:
    return hashlib.blake2b(f"{subject}\0{event_id}".encode(), digest_size=16).digest()
