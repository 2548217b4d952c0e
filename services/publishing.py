"""Publishing events: ids and times are given here, signatures with the installation's key."""

import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol

from contracts.codec import UNSIGNED, encode, encode_signed
from contracts.envelope import Malformed, Message, Recorded
from contracts.events.base import Event, SignedEvent
from contracts.signing import Signer


class Acknowledged(Protocol):
    """What the bus answers: the message's sequence, and whether the stream had it already."""

    @property
    def seq(self) -> int: ...
    @property
    def duplicate(self) -> bool: ...


class Bus(Protocol):
    """The one thing publishing needs of the bus."""

    async def publish(self, message: Message, *, timeout: float | None = None) -> Acknowledged: ...


def now_us() -> int:
    """The clock of the services: microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def new_id() -> str:
    """A fresh id for an event, a decision or a replay."""
    return uuid.uuid4().hex


def conflict(first: Recorded, subject: str, event: Event) -> str | None:
    """Why the id that `first` has cannot be this unsigned event's too; None when they are one event, sent twice."""
    found = UNSIGNED.decode(first)
    if not isinstance(found, Malformed) and first.subject == subject and _content(found.event) == _content(event):
        return None
    return f"was used for another event (sequence {first.seq}), so this one was not stored; choose a new one"


def _content(event: Event) -> tuple[type[Event], dict[str, Any]]:
    # Of one event the one body may hold the id that the other has in a header.
    return type(event), event.model_dump(exclude={"event_id"})


class EventPublisher:
    """Publishes in one process's name (`source`, the CloudEvents source); `signer` signs admin and catalog events."""

    def __init__(self, bus: Bus, signer: Signer, *, source: str, clock: Callable[[], int] = now_us) -> None:
        self._bus = bus
        self._signer = signer
        self._source = source
        self._clock = clock

    async def publish(
        self, event: Event, *, event_id: str | None = None, traceparent: str | None = None, timeout: float | None = None
    ) -> tuple[str, Acknowledged]:
        """Publish an unsigned event; its id and the ack. Raises what the bus raises."""
        chosen = event_id or new_id()
        moment = event.happened_us() or self._clock()
        message = encode(event, event_id=chosen, source=self._source, time_us=moment, traceparent=traceparent)
        return chosen, await self._bus.publish(message, timeout=timeout)

    async def publish_signed(
        self, event: SignedEvent, *, actor: str, event_id: str | None = None, timeout: float | None = None
    ) -> tuple[str, Acknowledged]:
        """Sign an event in the actor's name and publish it; its id and the ack. Raises what the bus raises."""
        chosen = event_id or new_id()
        return chosen, await self._bus.publish(self.signed(event, actor=actor, event_id=chosen), timeout=timeout)

    def signed(self, event: SignedEvent, *, actor: str, event_id: str) -> Message:
        """The signed message of an event, not yet published."""
        return encode_signed(
            event,
            event_id=event_id,
            source=self._source,
            time_us=self._clock(),
            actor=actor,
            signer=self._signer,
        )
