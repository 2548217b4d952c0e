"""Admin commands: an event, signed in the actor's name, and its place in the stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

from pydantic import BaseModel, Field

from contracts.events.base import Part, SignedEvent, Text
from services.api.parts import Parts
from services.bus.errors import BusUnavailable
from services.problems import Problem

ACK_S = 2.0
FOLDED_S = 5.0
LOOK_S = 0.05


class Commanded(BaseModel):
    """The command stands in the stream at `seq`; projections follow in a moment."""

    event_id: str
    seq: int


class Reason(Part):
    """A body that only says why."""

    reason: Text | None = Field(default=None, description="kept in the history of admin actions")


FORCIBLE = "With `force` and a reason it can be done all the same; the reason stays in the log"


def forced(reason: str | None) -> str:
    """The reason of what is forced, as the log has it. Raises Problem when none is given."""
    if not (reason or "").strip():
        raise Problem.invalid([("reason", "is needed where something is forced; it is kept in the log")])
    return f"forced: {reason}"


async def command(parts: Parts, event: SignedEvent, actor: str, *, event_id: str | None = None) -> Commanded:
    """Sign and publish. Raises Problem 503 when the stream does not acknowledge it in time."""
    try:
        published, ack = await parts.link.publisher.publish_signed(event, actor=actor, event_id=event_id, timeout=ACK_S)
    except BusUnavailable as problem:
        detail = f"no ack from the stream: {problem}; look at the history of admin actions before you repeat it"
        raise Problem.unavailable(detail) from None
    parts.turn.seq = max(parts.turn.seq, ack.seq)
    return Commanded(event_id=published, seq=ack.seq)


@asynccontextmanager
async def turn(parts: Parts) -> AsyncIterator[None]:
    """Look at what stands and command on it, with nobody in between.

    Raises Problem 503 when the command before is not folded within some seconds: what stands after it is not known.
    """
    async with parts.turn.lock:
        if not await folded(parts, parts.turn.seq):
            detail = f"the read model has not folded the command before, event {parts.turn.seq}; see health"
            raise Problem.unavailable(detail)
        yield


async def folded(parts: Parts, seq: int) -> bool:
    """Whether the read model has folded an event, waited for some seconds: what is shown next then knows it."""
    deadline = monotonic() + FOLDED_S
    while await asyncio.to_thread(parts.read_model.seq) < seq:
        if monotonic() > deadline:
            return False
        await asyncio.sleep(LOOK_S)
    return True


async def seen(parts: Parts, done: Commanded) -> Commanded:
    """The answer to a command, once who looks next sees what it did; after some seconds in any case."""
    await folded(parts, done.seq)
    return done
