"""Getting imported messages onto the stream: what it holds already is left out, the rest goes in atomic batches."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Protocol

from contracts.codec import Decoder
from contracts.envelope import Malformed, Message, Recorded
from contracts.headers import CE_ID, MSG_ID, from_header
from contracts.signing import NO_TRUST
from services.importing.survey import Survey, mark

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


class Ack(Protocol):
    """What the stream answers to a message."""

    @property
    def duplicate(self) -> bool: ...


class Bus(Protocol):
    """The stream, as far as an import needs it."""

    async def info(self) -> Info: ...

    async def publish_all(self, messages: Sequence[Message]) -> Sequence[Ack]: ...

    def read(
        self, after: int, *, upto: int | None = None, subjects: Sequence[str] = ()
    ) -> AsyncIterator[list[Recorded]]: ...


class Arrivals:
    """Publishes what is new and counts it; `meanwhile` are the duplicates that the stream did not hold at the start.

    The server forgets ids after its duplicate window and the folds theirs after a day of stream time (decisions after
    a month), so an import that may come again looks for its events in the stream itself.

    An event is what the folds take it for: its subject and its id. Two producers may number their events alike, and
    the server knows an id whatever its subject, so what is published has a Nats-Msg-Id of both; the ce-id stays as it
    was given. What is there counts by its event id, whatever Nats-Msg-Id it came with. A dead letter is no event, and
    the folds remember nothing of it: what it should have been is new.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: set[bytes] = set()
        self._dead: dict[bytes, int] = {}
        self.added = 0
        self.duplicates = 0
        self.meanwhile = 0

    @classmethod
    async def on(cls, bus: Bus, surveys: Iterable[Survey]) -> "Arrivals":
        """Knows which of the surveyed files' events the stream holds."""
        found = list(surveys)
        wanted = frozenset[bytes]().union(*(one.marks for one in found))
        subjects = sorted(frozenset[str]().union(*(one.subjects for one in found)))
        arrivals, info = cls(bus), await bus.info()
        decoder = Decoder(info.created, NO_TRUST)
        filters = subjects if len(subjects) <= MAX_FILTERS else ()
        if info.last_seq:
            async for records in bus.read(0, upto=info.last_seq, subjects=filters):
                for record in records:
                    arrivals._learn(record, wanted, decoder)
        return arrivals

    def _learn(self, record: Recorded, wanted: frozenset[bytes], decoder: Decoder) -> None:
        header = record.headers.get(CE_ID)
        named = mark(record.subject, from_header(header)) if header else None
        if named is not None and named not in wanted:
            # Most are such, and a long log is read through far sooner without a look at each body.
            return
        entry = decoder.decode(record)
        if not isinstance(entry, Malformed):
            self._known.add(mark(record.subject, entry.event_id))
        elif named is not None:
            self._dead[named] = record.seq

    async def publish(self, messages: Iterable[Message], moved: Callable[[], None]) -> None:
        """Publish the new ones among `messages` in order, a batch at a time, and call `moved` after each."""
        iterator = iter(messages)
        while batch := list(islice(iterator, BATCH)):
            new = []
            for message in batch:
                named = mark(message.subject, from_header(message.headers[CE_ID]))
                if named not in self._known:
                    self._known.add(named)
                    new.append(replace(message, headers=message.headers | {MSG_ID: self._message_id(named)}))
            acks = await self._bus.publish_all(new)
            # Another import may have been first; or this one, where the ack got lost and the batch was sent again.
            meanwhile = sum(ack.duplicate for ack in acks)
            self.meanwhile += meanwhile
            self.added += len(new) - meanwhile
            self.duplicates += len(batch) - len(new) + meanwhile
            moved()

    def _message_id(self, named: bytes) -> str:
        """For the server to know the event by; its dead letter may have come under the same, from another release."""
        dead = self._dead.get(named)
        return named.hex() if dead is None else f"{named.hex()}-{dead}"
