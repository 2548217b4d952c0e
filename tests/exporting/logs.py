"""Events to export, and what came out."""

import gzip
from pathlib import Path
from typing import Any

import orjson

from contracts.codec import Decoder, encode
from contracts.envelope import Message
from contracts.events.base import Event
from contracts.events.person import FeedbackReceived, SignalObserved
from contracts.headers import MSG_ID
from services.bus.jetstream import JetStreamBus
from services.bus.memory import MemoryBus
from services.exporting.export import Exported, Wanted, export_events
from services.exporting.target import format_of, target

Bus = JetStreamBus | MemoryBus


def helpful(user: str, event_id: str) -> Message:
    """A reaction."""
    return _message(FeedbackReceived(user_id=user, action="helpful"), event_id)


def steps(user: str, event_id: str) -> Message:
    """An observation."""
    return _message(SignalObserved(user_id=user, source="phone", values={"steps": 5200.0}), event_id)


def bare(subject: str, data: bytes, number: int = 0, **headers: str) -> Message:
    """What a producer without our library would send."""
    return Message(subject, {MSG_ID: f"bare-{subject}-{number}", **headers}, data)


def _message(event: Event, event_id: str) -> Message:
    return encode(event, event_id=event_id, source="/test")


async def exported(bus: Bus, decoder: Decoder, path: Path, **wanted: Any) -> Exported:
    """Export to a file."""
    with target(path, format_of(path)) as put:
        return await export_events(bus, decoder, Wanted(**wanted), put)


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The lines of a .jsonl[.gz]."""
    content = path.read_bytes()
    return [orjson.loads(line) for line in (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()]
