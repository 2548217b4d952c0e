"""A reader in a task, for tests that take something away under it."""

import asyncio

from contracts.envelope import Recorded
from services.bus.jetstream import JetStreamBus
from tests.waiting import until


class Follower:
    """A reader in a task; `seen` is all it got."""

    def __init__(self, bus: JetStreamBus, after: int = 0) -> None:
        self.seen: list[Recorded] = []
        self.task = asyncio.create_task(self._follow(bus, after))

    async def _follow(self, bus: JetStreamBus, after: int) -> None:
        async for batch in bus.read(after):
            self.seen.extend(batch)

    async def reached(self, seq: int) -> None:
        await until(lambda: self.task.done() or (bool(self.seen) and self.seen[-1].seq >= seq))
        if self.task.done():
            await self.task
