"""How lag and rate went over the last minutes: a look at every part each two seconds, kept while the process lives."""

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import dataclass

from contracts.times import format_time
from services.api.condition import Condition, State, Watch
from services.publishing import now_us

PERIOD_S, KEPT = 2.0, 150

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """One part at one moment; None where it did not say."""

    state: State
    lag_events: int | None
    events_per_s: float | None


@dataclass(frozen=True, slots=True)
class Moment:
    """Every part at one moment (RFC 3339)."""

    at: str
    parts: dict[str, Reading]


class History:
    """`start` it once; `moments` are the last five minutes, the oldest first."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._moments: deque[Moment] = deque(maxlen=KEPT)
        self._task: asyncio.Task[None] | None = None

    @property
    def moments(self) -> list[Moment]:
        return list(self._moments)

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._keep_looking(), name="keep the health of the last minutes")

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            try:
                self._moments.append(moment_of(await self._watch.condition()))
            except Exception:
                log.exception("a look at the parts failed")


def moment_of(condition: Condition) -> Moment:
    """What is kept of a look."""
    return Moment(
        format_time(now_us()),
        {
            name: Reading(part.state, part.lag_events, part.details.get("events_per_s"))
            for name, part in condition.components.items()
        },
    )
