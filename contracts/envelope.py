"""What travels: a message to publish, a message as the stream holds it, and what decoding makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contracts.events.base import Event


@dataclass(frozen=True, slots=True)
class Message:
    """One message to publish: subject, NATS headers and the raw body."""

    subject: str
    headers: dict[str, str]
    data: bytes


@dataclass(frozen=True, slots=True)
class Recorded:
    """One message as the stream holds it; `recorded_ns` is the stream's clock, nanoseconds since 1970."""

    seq: int
    recorded_ns: int
    subject: str
    headers: Mapping[str, str]
    data: bytes

    @property
    def recorded_us(self) -> int:
        """The stream's time in microseconds since 1970, the unit all folds use."""
        return self.recorded_ns // 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """A well-formed event with its place in the stream; times are microseconds since 1970, UTC.

    `occurred_us` is the producer's time (body, else `ce-time`, else the stream's), `recorded_us` the stream's.
    `actor` is set for signed events only, after the signature held. `raw` is the message it was read from.
    """

    seq: int
    recorded_us: int
    occurred_us: int
    event_id: str
    actor: str | None
    event: "Event"
    raw: Recorded


@dataclass(frozen=True, slots=True)
class Malformed:
    """A message no fold may count: `reason` is one of `contracts.reasons`, `detail` says what and where."""

    seq: int
    recorded_us: int
    reason: str
    detail: str
    raw: Recorded
