"""Following what a worker tells on core NATS about a request, from just before it is published until its end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson

from services.bus.errors import NoAnswer
from services.bus.jetstream import JetStreamBus

QUIET_S = 30.0


class Heard:
    """What is told on one subject pattern, one after the other."""

    def __init__(self, bus: JetStreamBus, subject: str) -> None:
        self._told = bus.listen(subject)
        self._next = asyncio.ensure_future(anext(self._told))

    async def report(self) -> tuple[str, dict[str, Any]]:
        """The next subject and report. Raises NoAnswer after half a minute of silence."""
        try:
            subject, data = await asyncio.wait_for(self._next, QUIET_S)
        except TimeoutError:
            raise NoAnswer(
                "no worker reports progress: is `tipstream up` (or `tipstream replayer`) running? "
                "The request stands in the log and is carried out when one starts."
            ) from None
        self._next = asyncio.ensure_future(anext(self._told))
        return subject, orjson.loads(data)

    async def close(self) -> None:
        """Listen no more."""
        # A generator that is being waited for cannot be closed.
        self._next.cancel()
        await asyncio.gather(self._next, return_exceptions=True)
        await self._told.aclose()


@asynccontextmanager
async def listening(bus: JetStreamBus, subject: str) -> AsyncIterator[Heard]:
    """Listens from the start of the block to its end."""
    heard = Heard(bus, subject)
    try:
        yield heard
    finally:
        await heard.close()
