"""Real events to publish, read and fold: the demo's history, made once for a benchmark."""

import tempfile
import time
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from contracts.codec import Decoder
from contracts.envelope import Message, Recorded
from contracts.times import parse_time
from services.bootstrap import ensure_stream
from services.bus.memory import MemoryBus
from services.demo.history import History, Plan
from services.demo.present import Present
from services.settings import Settings

START_US = parse_time("2026-01-01T00:00:00Z")
_A_PERSON_DAY = 20


@dataclass(frozen=True, slots=True)
class Log:
    """The messages of a stream from its StreamStarted on, and what decodes them."""

    messages: list[Message]
    decoder: Decoder

    @property
    def mean_bytes(self) -> float:
        return sum(len(message.data) for message in self.messages) / len(self.messages)

    def recorded(self) -> list[Recorded]:
        """The log as the stream would hold it."""
        now_ns = time.time_ns()
        return [
            Recorded(seq, now_ns, message.subject, message.headers, message.data)
            for seq, message in enumerate(self.messages, 1)
        ]


async def demo_log(events: int, seed: int = 7) -> Log:
    """The beginning of a stream, then this many events of simulated people."""
    with tempfile.TemporaryDirectory() as home:
        bus = MemoryBus(time.time_ns)
        decoder = await ensure_stream(bus, Settings(home=Path(home)))
        last = (await bus.info()).last_seq
        first = [record async for records in bus.read(0, upto=last) for record in records]
    present = Present(decoder)
    for record in first:
        present.fold(record)
    people = max(5, events // (30 * _A_PERSON_DAY) + 1)
    history = History(Plan(seed, people, START_US, 60), present, time.time_ns())
    messages = [Message(record.subject, dict(record.headers), record.data) for record in first]
    return Log(messages + list(islice(history.messages(), events)), decoder)


class Fresh:
    """Small feedback events that no stream has seen, as many as are asked for; about 430 bytes with headers."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._numbers = count()

    def take(self, n: int) -> list[Message]:
        """The next n."""
        return [self._message(number) for number in islice(self._numbers, n)]

    def _message(self, number: int) -> Message:
        event_id = f"{self._prefix}-{number:09d}-0123456789abcdef"
        user = f"user-{number % 1000:04d}"
        data = (
            f'{{"user_id":"{user}","action":"helpful","decision_id":"decision-{number:012d}",'
            f'"tip_id":"walk-around-the-block","occurred_at":"2026-01-01T08:00:00.000000Z"}}'
        )
        headers = {
            "ce-id": event_id,
            "ce-type": "tipstream.feedback.received.v1",
            "ce-source": "/tipstream/benchmark",
            "ce-specversion": "1.0",
            "ce-time": "2026-01-01T08:00:00.000000Z",
            "Nats-Msg-Id": event_id,
        }
        return Message(f"tips.feedback.helpful.{user}", headers, data.encode())
