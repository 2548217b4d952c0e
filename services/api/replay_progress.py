"""How far the running replay is, as the replay worker tells it over core NATS: heard once for all who look."""

import asyncio
import contextlib
import logging
from time import monotonic
from typing import Any

import orjson
from pydantic import BaseModel

from projections.replay import progress_subject
from services.api.stream_link import StreamLink
from services.bus.errors import BusUnavailable

# The worker tells it four times a second; a machine under load may keep it waiting.
QUIET_S = 10.0
PAUSE_S = 0.5

log = logging.getLogger(__name__)


class Progress(BaseModel):
    """The projection at hand (`step` of `steps`), events folded of so many, and the results of those before it."""

    projection: str
    phase: str
    step: int
    steps: int
    events: int
    total: int
    events_per_s: float
    remaining_s: float | None
    results: list[dict[str, Any]]


class ReplayProgress:
    """`start` it once; then `of` says how far a replay is, None when it does not run."""

    def __init__(self, link: StreamLink) -> None:
        self._link = link
        self._last: tuple[str, float, Progress] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen, as soon as the stream is there."""
        self._task = asyncio.create_task(self._keep_listening(), name="hear of replays")

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def running(self) -> str | None:
        """The replay that runs now."""
        if self._last is None or monotonic() - self._last[1] > QUIET_S:
            return None
        return self._last[0]

    def of(self, replay_id: str) -> Progress | None:
        """How far a replay is, None when it does not run now."""
        return self._last[2] if self._last is not None and self.running == replay_id else None

    async def _keep_listening(self) -> None:
        subject = progress_subject("*")
        while True:
            try:
                async with contextlib.aclosing(self._link.bus.listen(subject)) as told:
                    async for about, data in told:
                        self._take(about.removeprefix(subject[:-1]), data)
            except BusUnavailable:
                # Not reached yet, or closed; the link says so.
                pass
            await asyncio.sleep(PAUSE_S)

    def _take(self, replay_id: str, data: bytes) -> None:
        try:
            said = orjson.loads(data)
            done = said["phase"] == "completed"
            self._last = None if done else (replay_id, monotonic(), Progress.model_validate(said))
        except (ValueError, LookupError, TypeError):
            log.warning("what was told of replay %.80r is no progress", replay_id)
