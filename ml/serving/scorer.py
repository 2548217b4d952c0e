"""The scorer itself: connected to the stream, folding it, draining its outbox, and how it is doing."""

import asyncio
import time
from typing import Any

from contracts.times import SECOND_US
from ml.policies.kernel import KERNEL
from ml.serving.delivery import Delivery
from ml.serving.metrics import Metrics
from ml.serving.outbox import Outbox
from ml.serving.scoring import Scoring
from ml.serving.state import FoldedState
from projections.control import subject_of
from projections.owner import Owner
from projections.queries import ReadModel
from projections.sinks.versions import Versions
from services.bootstrap import Bus, ensure_stream
from services.bus.errors import BusUnavailable
from services.bus.jetstream import JetStreamBus
from services.http_client import http_client
from services.releases import release
from services.settings import Settings

PROJECTION = "scorer"
INFO_S = 0.5
API_S = 10.0


class Scorer:
    """What the routes work on; `serve` connects, folds and drains the outbox until it is cancelled."""

    def __init__(self, settings: Settings) -> None:
        settings.make_home()
        self.settings = settings
        self.metrics = Metrics()
        self.folded = FoldedState()
        self.delivery = Delivery(Outbox(settings.outbox_dir / "scorer.sqlite"))
        self.scoring = Scoring(self.folded, self.delivery, self.metrics)
        self.read_model = ReadModel(settings.home)
        self.api = http_client(settings.api_base, timeout=API_S)
        self.last_error: str | None = None
        outbox = self.delivery.outbox
        for name, description, value in (
            ("outbox_waiting", "decisions that wait for the stream", lambda: len(outbox)),
            ("outbox_refused", "decisions that the stream will never take", lambda: outbox.refused),
            ("connected", "1 while the stream can be reached", lambda: self.delivery.connected),
            ("ready", "1 once the state has reached the stream's end", lambda: self.folded.ready),
            ("state_seq", "last event folded", lambda: self.folded.state.seq if self.folded.owner else 0),
            ("people", "people learned of", lambda: len(self.folded.state.learning.people) if self.folded.owner else 0),
        ):
            self.metrics.gauge(name, description, value)

    async def serve(self, bus: Bus | None) -> None:
        """Until cancelled, or until folding ends with an error that a new process may be free of."""
        mine = bus or await JetStreamBus.connect(self.settings.bus_url, name="tipstream scorer", timeout=None)
        try:
            await ensure_stream(mine, self.settings)
            self.delivery.bus = mine
            await self._fold(mine)
        finally:
            if bus is None:
                await mine.close()

    async def _fold(self, bus: Bus) -> None:
        owner = Owner(bus, Versions(self.settings.home), PROJECTION, let_go=self.delivery.let_go)
        await owner.start()
        owning = asyncio.create_task(owner.run(), name="own the scorer's state")
        draining = asyncio.create_task(self.delivery.drain(), name="drain the outbox")
        try:
            await bus.respond(subject_of(PROJECTION), owner.answer)
            await self.folded.become_ready(owner, (await bus.info()).last_seq)
            ended, _ = await asyncio.wait((owning, draining), return_when=asyncio.FIRST_COMPLETED)
            ended.pop().result()
        finally:
            draining.cancel()
            owner.stop()
            await asyncio.wait((owning, draining))

    async def close(self) -> None:
        """Close files and connections, once `serve` has ended."""
        await self.api.aclose()
        self.delivery.close()
        self.read_model.close()

    async def health(self) -> dict[str, Any]:
        """State, position, lag and outbox; never waits long for the stream."""
        folded, outbox = self.folded, self.delivery.outbox
        seq = folded.state.seq if folded.owner is not None else 0
        projector = folded.owner.live.projector if folded.owner is not None else None
        last = await self._last_seq()
        reached = projector.reached if projector is not None else None
        lag = None if last is None else max(last - seq, 0)
        behind_s = time.time() - reached.recorded_us / SECOND_US if reached is not None and lag else 0.0
        return {
            "state": _state(ready=folded.ready, failed=projector is not None and projector.last_error is not None),
            "seq": seq,
            "stream_last_seq": last,
            "lag_events": lag,
            "lag_seconds": max(behind_s, 0.0),
            "events_per_s": round(projector.events_per_s, 1) if projector is not None else 0.0,
            "version": folded.owner.live.version.number if folded.owner is not None else None,
            "connected": self.delivery.connected,
            "stream_refuses": self.delivery.bus.refusing if self.delivery.bus is not None else None,
            "outbox": {
                "waiting": len(outbox),
                "refused": outbox.refused,
                "oldest_us": outbox.oldest_us(),
                "unwritable": outbox.unwritable,
            },
            "policies": self.metrics.by_policy,
            "kernel": KERNEL,
            "feature_set": folded.decider.feature_set.name if folded.owner is not None else None,
            "release": release("tipstream"),
            "last_error": (projector.last_error if projector is not None else None)
            or self.last_error
            or self.delivery.last_error,
        }

    async def _last_seq(self) -> int | None:
        if not self.delivery.connected or self.delivery.bus is None:
            return None
        try:
            async with asyncio.timeout(INFO_S):
                return (await self.delivery.bus.info()).last_seq
        except (TimeoutError, BusUnavailable):
            return None


def _state(*, ready: bool, failed: bool) -> str:
    if failed:
        return "down"
    return "up" if ready else "starting"
