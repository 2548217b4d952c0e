"""Getting a decision onto the stream: at once when the bus is there, else by way of the outbox, in order either way."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from contracts.envelope import Message, Recorded
from ml.serving.outbox import Outbox, OutboxBroken, Waiting
from services.bus.errors import BusClosed, BusUnavailable, PublishRefused
from services.bus.stream import Ack, StreamInfo

PUBLISH_S = 1.0
"""How long a caller waits for the stream's acknowledgement before the decision goes to the outbox."""
DRAIN = 100
RETRY_S = 0.1

T = TypeVar("T")

log = logging.getLogger(__name__)


class Bus(Protocol):
    """What delivering asks of the bus."""

    @property
    def connected(self) -> bool: ...
    async def publish(self, message: Message, *, timeout: float | None = None) -> Ack: ...
    async def publish_all(self, messages: Sequence[Message]) -> list[Ack]: ...
    async def get(self, seq: int) -> Recorded | None: ...
    async def info(self) -> StreamInfo: ...


@dataclass(frozen=True, slots=True)
class Delivered:
    """Where a message got to: `held` is what the stream had under its id before, when that is not this message."""

    logged: bool
    held: Recorded | None = None


class Delivery:
    """Publishes or keeps; `bus` is None until the first connection stands."""

    def __init__(self, outbox: Outbox, bus: Bus | None = None) -> None:
        self.outbox = outbox
        self.bus = bus
        self.last_error: str | None = None
        # One thread: writes reach the disk in the order of the calls, and the loop never waits for one.
        self._disk = ThreadPoolExecutor(1, "outbox")
        self._filled = asyncio.Event()
        if len(outbox):
            self._filled.set()

    @property
    def connected(self) -> bool:
        """Whether messages can be published now."""
        return self.bus is not None and self.bus.connected

    async def deliver(self, decision_id: str, message: Message) -> Delivered:
        """Publish a message, or keep it while the bus is away or others wait.

        Raises PublishRefused, OutboxBroken, and BusUnavailable when what its id stands for cannot be read.
        """
        if self.bus is not None and self.bus.connected and not len(self.outbox):
            try:
                ack = await self.bus.publish(message, timeout=PUBLISH_S)
            except BusUnavailable as error:
                self.last_error = str(error)
            else:
                return Delivered(True, await self._other(self.bus, message, ack) if ack.duplicate else None)
        await self._on_disk(lambda: self.outbox.append(decision_id, message))
        self._filled.set()
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
                    await self._publish(waiting)
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
