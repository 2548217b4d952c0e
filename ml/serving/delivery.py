"""Getting a decision onto the stream: at once when the bus is there, else by way of the outbox, in order either way."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from contracts.envelope import Message, Recorded
from contracts.events.person import TipScored
from contracts.subjects import build
from ml.serving.outbox import Outbox, OutboxBroken, Waiting
from services.bus.errors import BusClosed, BusUnavailable, PublishRefused
from services.bus.stream import Ack, StreamInfo

PUBLISH_S = 1.0
"""How long a caller waits for the stream's acknowledgement before the decision goes to the outbox."""
DRAIN = 500
SETTLE_S = 0.1
"""How long a caller waits for the outbox to go first; without it callers could fill it faster than it drains.

Its last portion is waited for until it has been under way for PUBLISH_S: callers who put one more behind it each time
would never see it empty.
"""
RETRY_S = 0.1

T = TypeVar("T")

log = logging.getLogger(__name__)


class Bus(Protocol):
    """What delivering asks of the bus."""

    @property
    def connected(self) -> bool: ...
    @property
    def refusing(self) -> str | None: ...
    async def publish(self, message: Message, *, timeout: float | None = None) -> Ack: ...
    async def publish_all(self, messages: Sequence[Message]) -> list[Ack]: ...
    async def get(self, seq: int) -> Recorded | None: ...
    async def info(self) -> StreamInfo: ...


@dataclass(frozen=True, slots=True)
class Delivered:
    """Where a message got to: `held` is what the stream had under its id before, when that is not this message."""

    logged: bool
    held: Recorded | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that one write to the outbox will keep; it takes more until it begins."""

    messages: list[tuple[str, Message]]
    written: asyncio.Task[None]


class Delivery:
    """Publishes or keeps; `bus` is None until the first connection stands."""

    def __init__(self, outbox: Outbox, bus: Bus | None = None) -> None:
        self.outbox = outbox
        self.bus = bus
        self.last_error: str | None = None
        # One thread: writes reach the disk in the order of the calls, and the loop never waits for one.
        self._disk = ThreadPoolExecutor(1, "outbox")
        self._writing = asyncio.Lock()
        self._batch: Batch | None = None
        self._delivering: set[asyncio.Future[None]] = set()
        self._filled, self._empty = asyncio.Event(), asyncio.Event()
        # Until when, on the loop's clock, callers wait for the last portion; 0 while more follow it.
        self._last_until = 0.0
        (self._filled if len(outbox) else self._empty).set()

    @property
    def connected(self) -> bool:
        """Whether messages can be published now."""
        return self.bus is not None and self.bus.connected

    async def deliver(self, decision_id: str, message: Message) -> Delivered:
        """Publish a message, or keep it while the bus is away or others wait.

        Raises PublishRefused, OutboxBroken, and BusUnavailable when what its id stands for cannot be read.
        """
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._delivering.add(ended)
        try:
            return await self._deliver(decision_id, message)
        finally:
            ended.set_result(None)
            self._delivering.discard(ended)

    async def let_go(self, user_id: str) -> None:
        """Return once every decision made before is in the stream, and nothing of this person is left on disk here.

        Raises OutboxBroken.
        """
        if self._delivering:
            await asyncio.wait(set(self._delivering))
        await self._empty.wait()
        await self._on_disk(lambda: self.outbox.forget(build(TipScored.SUBJECT, {"user_id": user_id})))

    async def _deliver(self, decision_id: str, message: Message) -> Delivered:
        if self.connected and len(self.outbox):
            with suppress(TimeoutError):
                left_s = self._last_until - asyncio.get_running_loop().time()
                async with asyncio.timeout(max(SETTLE_S, left_s)):
                    await self._empty.wait()
        if self.bus is not None and self.bus.connected and not len(self.outbox):
            try:
                ack = await self.bus.publish(message, timeout=PUBLISH_S)
            except BusUnavailable as error:
                self.last_error = str(error)
            else:
                return Delivered(True, await self._other(self.bus, message, ack) if ack.duplicate else None)
        await self._keep(decision_id, message)
        return Delivered(False)

    async def find(self, decision_id: str) -> Message | None:
        """The message of a decision that waits in the outbox. Raises OutboxBroken."""
        return await self._on_disk(lambda: self.outbox.find(decision_id))

    async def drain(self) -> None:
        """Publish what waits whenever the bus is there, for as long as this is run."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            try:
                while waiting := await self._on_disk(lambda: self.outbox.first(DRAIN)):
                    last = len(waiting) < DRAIN
                    self._last_until = asyncio.get_running_loop().time() + PUBLISH_S if last else 0.0
                    await self._publish(waiting)
                if not len(self.outbox):
                    self._empty.set()
            except BusClosed:
                raise
            except (BusUnavailable, OutboxBroken) as error:
                self.last_error = str(error)
                self._filled.set()
                await asyncio.sleep(RETRY_S)

    def close(self) -> None:
        """Finish the write at hand and close the file."""
        self._disk.shutdown(wait=True)
        self.outbox.close()

    async def _keep(self, decision_id: str, message: Message) -> None:
        """On disk when this returns; calls that come while the disk is busy share its next write."""
        if self._batch is None:
            messages: list[tuple[str, Message]] = []
            self._batch = Batch(messages, asyncio.create_task(self._write(messages), name="keep decisions"))
        batch = self._batch
        batch.messages.append((decision_id, message))
        await asyncio.shield(batch.written)

    async def _write(self, messages: list[tuple[str, Message]]) -> None:
        async with self._writing:
            self._batch = None
            await self._on_disk(lambda: self.outbox.append_all(messages))
            self._empty.clear()
            self._filled.set()

    async def _publish(self, waiting: list[Waiting]) -> None:
        while not self.connected:  # noqa: ASYNC110 - the bus offers no event to wait for
            await asyncio.sleep(RETRY_S)
        assert self.bus is not None
        try:
            acks = await self.bus.publish_all([one.message for one in waiting])
        except PublishRefused as refusal:
            if len(waiting) == 1:
                await self._refuse(waiting[0], str(refusal))
            else:
                for one in waiting:
                    await self._publish([one])
            return
        for one, ack in zip(waiting, acks, strict=True):
            if ack.duplicate and await self._other(self.bus, one.message, ack) is not None:
                await self._refuse(one, f"the stream holds another event under its id, at {ack.seq}")
        await self._on_disk(lambda: self.outbox.remove(waiting))

    async def _refuse(self, one: Waiting, reason: str) -> None:
        self.last_error = f"decision {one.decision_id!r:.100} was refused: {reason}"
        log.error("%s", self.last_error)
        await self._on_disk(lambda: self.outbox.refuse(one, reason))

    async def _on_disk(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work)

    async def _other(self, bus: Bus, message: Message, ack: Ack) -> Recorded | None:
        """What a duplicate's id stands for, None when it is this very message, sent before."""
        held = await bus.get(ack.seq)
        return None if held is None or held.data == message.data else held
