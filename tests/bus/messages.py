"""Messages to publish, and lists of what a reader saw."""

import asyncio
from collections.abc import Sequence

from contracts.envelope import Message, Recorded
from services.bus.jetstream import JetStreamBus
from services.bus.memory import MemoryBus

Bus = JetStreamBus | MemoryBus


def message(number: int, subject: str = "tips.scored.ana") -> Message:
    """The event with the id `e<number>`."""
    return Message(subject, {"Nats-Msg-Id": f"e{number}", "ce-id": f"e{number}"}, b'{"n":%d}' % number)


def messages(count: int, start: int = 0) -> list[Message]:
    """`count` events with consecutive numbers."""
    return [message(number) for number in range(start, start + count)]


def ids(records: Sequence[Recorded]) -> list[str]:
    """Their event ids, in order."""
    return [record.headers["Nats-Msg-Id"] for record in records]


async def read_all(bus: Bus, after: int, upto: int, subjects: Sequence[str] = ()) -> list[Recorded]:
    """Everything in (after, upto], flattened; fails when the reader does not end."""
    found: list[Recorded] = []
    async with asyncio.timeout(20):
        async for batch in bus.read(after, upto=upto, subjects=subjects):
            assert batch, "a reader hands over no empty lists"
            found.extend(batch)
    return found


async def read_count(bus: Bus, after: int, count: int) -> list[Recorded]:
    """The first `count` after `after` of a reader that would go on for ever."""
    found: list[Recorded] = []
    async with asyncio.timeout(20):
        async for batch in bus.read(after):
            found.extend(batch)
            if len(found) >= count:
                break
    return found
