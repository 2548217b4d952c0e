"""The API's way to the stream, made in the background: the API answers from its first moment, stream or not."""

import asyncio
import contextlib
import logging
from typing import Self

from contracts.errors import TipstreamError
from services.bootstrap import Bus, ensure_stream, load_signer
from services.bus.errors import BusUnavailable
from services.bus.jetstream import JetStreamBus
from services.publishing import EventPublisher
from services.settings import Settings

SOURCE = "/tipstream/api"
ATTEMPT_S = 5.0
PAUSE_S = 0.5

log = logging.getLogger(__name__)


class StreamLink:
    """Connects, and begins the stream where that is still to be done; tries again until it holds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._bus: Bus | None = None
        self._publisher: EventPublisher | None = None
        self._task: asyncio.Task[None] | None = None
        self._error: str | None = None

    def start(self) -> None:
        """Begin to connect."""
        self._task = asyncio.create_task(self._connect(), name="connect to the stream")

    async def use(self, bus: Bus) -> Self:
        """Take a bus that is connected already; it is closed with the link."""
        await ensure_stream(bus, self._settings)
        self._publisher = EventPublisher(bus, load_signer(self._settings), source=SOURCE)
        self._bus = bus
        return self

    @property
    def bus(self) -> Bus:
        """The bus. Raises BusUnavailable until the stream was reached for the first time."""
        if self._bus is None:
            raise BusUnavailable(f"the stream has not been reached yet ({self._error or 'connecting'})")
        return self._bus

    @property
    def publisher(self) -> EventPublisher:
        """Publishes in the API's name. Raises BusUnavailable as `bus` does."""
        if self._publisher is None:
            raise BusUnavailable(f"the stream has not been reached yet ({self._error or 'connecting'})")
        return self._publisher

    @property
    def connected(self) -> bool:
        """Whether the server is there now."""
        return self._bus is not None and self._bus.connected

    @property
    def last_error(self) -> str | None:
        """The latest trouble, None once it is mended."""
        return self._error if self._bus is None else self._bus.last_error

    async def close(self) -> None:
        """Stop connecting, or close the bus."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._bus is not None:
            await self._bus.close()

    async def _connect(self) -> None:
        while self._bus is None:
            bus: JetStreamBus | None = None
            try:
                bus = await JetStreamBus.connect(self._settings.bus_url, name="tipstream api", timeout=ATTEMPT_S)
                await self.use(bus)
            except TipstreamError as problem:
                if str(problem) != self._error:
                    log.warning("%s", problem)
                self._error = str(problem)
            finally:
                if bus is not None and self._bus is None:
                    await bus.close()
            await asyncio.sleep(PAUSE_S if self._bus is None else 0)
