"""A system in this process: the bus in memory with a small real history, owners of projections, the replay worker."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from contracts.codec import encode
from contracts.envelope import Entry
from contracts.events.admin import Projection, ReplayCompleted, ReplayRequested
from contracts.events.base import Event, SignedEvent
from contracts.times import parse_time
from projections.control import subject_of
from projections.owner import Owner
from projections.rebuild import Replayer
from projections.sinks.versions import Versions
from services.bootstrap import ensure_stream, load_signer, open_decoder
from services.bus.memory import MemoryBus
from services.demo.history import History, Plan
from services.demo.past import publish_past
from services.demo.present import Present
from services.publishing import EventPublisher, new_id
from services.settings import Settings
from tests.waiting import ManualClock

PLAN = Plan(seed=7, people=3, start_us=parse_time("2025-11-01T00:00:00Z"), days=2)


class SmallSystem:
    """`begin` publishes a history of three people; `own` and `replaying` run what a system runs."""

    def __init__(self, home: Path) -> None:
        self.clock = ManualClock(time.time_ns())
        self.bus = MemoryBus(self.clock)
        self.settings = Settings(home=home, api_key="key", admin_password="password")
        self.versions = Versions(self.settings.home)
        self.owners: dict[str, Owner] = {}

    async def begin(self) -> int:
        """The first events and the history; the last sequence."""
        self.settings.make_home()
        present = await Present.of(self.bus, await ensure_stream(self.bus, self.settings))
        await publish_past(self.bus, History(PLAN, present, self.clock()))
        return await self.last()

    async def last(self) -> int:
        """The end of the log."""
        return (await self.bus.info()).last_seq

    async def publish(self, event: Event, event_id: str | None = None) -> int:
        """Publish an unsigned event; its sequence."""
        return (await self.bus.publish(encode(event, event_id=event_id or new_id(), source="/test"))).seq

    async def sign(self, event: SignedEvent, event_id: str | None = None) -> int:
        """Publish a signed event; its sequence."""
        publisher = EventPublisher(self.bus, load_signer(self.settings), source="/test")
        return (await publisher.publish_signed(event, actor="ada", event_id=event_id))[1].seq

    @asynccontextmanager
    async def own(self, *projections: Projection) -> AsyncIterator[None]:
        """Own projections, folded up to the log's end, until the end of the block."""
        running: list[asyncio.Task[None]] = []
        for projection in projections:
            owner = self.owners[projection] = Owner(self.bus, self.versions, projection)
            await owner.start()
            await self.bus.respond(subject_of(projection), owner.answer)
            running.append(asyncio.create_task(owner.run()))
        last = await self.last()
        for projection in projections:
            await self.owners[projection].live.projector.wait_for(last)
        try:
            yield
        finally:
            for projection in projections:
                self.owners.pop(projection).stop()
                # As when its process has gone: nobody answers.
                self.bus._responders.pop(subject_of(projection))
            await asyncio.gather(*running)

    async def folded(self) -> None:
        """Wait until every owned projection has folded what the log holds now."""
        last = await self.last()
        for owner in self.owners.values():
            await owner.live.projector.wait_for(last)

    @asynccontextmanager
    async def replaying(self) -> AsyncIterator[None]:
        """Run the replay worker for the block."""
        working = asyncio.create_task(Replayer(self.bus, self.settings).run())
        try:
            yield
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def replay(self, *projections: Projection, **fields: Any) -> ReplayCompleted:
        """Ask for a replay and wait for what became of it; the worker must run or be started meanwhile."""
        request = ReplayRequested(replay_id=new_id(), projections=list(projections), **fields)
        return await self.completed(request.replay_id, await self.sign(request))

    async def completed(self, replay_id: str, after: int) -> ReplayCompleted:
        """The completion of a replay that was asked for, 30 s at most."""
        decoder = await open_decoder(self.bus)
        async with asyncio.timeout(30):
            async for batch in self.bus.read(after, subjects=["tips.admin.replay.completed.*"]):
                for recorded in batch:
                    item = decoder.decode(recorded)
                    assert isinstance(item, Entry), item
                    assert isinstance(item.event, ReplayCompleted)
                    if item.event.replay_id == replay_id:
                        return item.event
        raise AssertionError("the bus was closed")

    def change_by_hand(self, statement: str) -> None:
        """What nobody should do: write into the live SQLite file."""
        path = self.versions.file("sqlite", self.versions.pointer("sqlite").version)
        with closing(sqlite3.connect(path, timeout=10)) as connection, connection:
            assert connection.execute(statement).rowcount > 0
