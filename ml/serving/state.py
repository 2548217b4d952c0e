"""The scorer's view of its projection: the state as folded so far, and what is kept ready for scoring over it."""

import asyncio
import gc
from contextlib import suppress

from ml.policies.decision import Decider
from projections.folds.projection import State
from projections.owner import Owner
from projections.projector import ProjectionEnded
from services.problems import Problem


class FoldedState:
    """The live state of the scorer's owner. A replay may put another state in its place at any await."""

    def __init__(self) -> None:
        self.owner: Owner | None = None
        self._decider = Decider()
        self._of: State | None = None
        self._ready = False

    @property
    def ready(self) -> bool:
        """Whether the state has once reached the stream's end, so that nobody is scored from half a history."""
        return self._ready

    @property
    def state(self) -> State:
        """The state as far as it is folded."""
        assert self.owner is not None
        return self.owner.live.projector.state

    @property
    def decider(self) -> Decider:
        """Decides from `state`; made anew for a new state."""
        if self._of is not self.state:
            self._decider, self._of = Decider(), self.state
        return self._decider

    def require_ready(self) -> None:
        """Raises Problem 503 until the state has reached the stream's end for the first time."""
        if not self._ready:
            raise Problem.unavailable("the scorer is still folding the log; try again shortly")

    async def become_ready(self, owner: Owner, last_seq: int) -> None:
        """Take an owner that has been started; ready once it has folded `last_seq`, never if its fold fails before."""
        self.owner = owner
        with suppress(ProjectionEnded):
            await self._reach(last_seq)
            # A month of decisions is some million objects: a collection that walks them all stalls every call.
            gc.collect()
            gc.freeze()
            self._ready = True

    async def caught_up(self, seq: int, timeout: float) -> None:
        """Return once `seq` is folded. Raises Problem 503 when that takes longer than `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._reach(seq)
        except TimeoutError:
            detail = f"min_seq {seq} is not folded after {timeout:g} s, the scorer stands at {self.state.seq}"
            raise Problem(503, "Not folded yet", detail, field="min_seq", headers={"Retry-After": "1"}) from None
        except ProjectionEnded as ended:
            raise Problem(503, "Not folded", str(ended), field="min_seq", headers={"Retry-After": "5"}) from None

    async def _reach(self, seq: int) -> None:
        """Wait for `seq`, in whatever state is live by then. Raises ProjectionEnded."""
        assert self.owner is not None
        while self.state.seq < seq:
            projector = self.owner.live.projector
            try:
                await projector.wait_for(seq)
            except ProjectionEnded:
                if projector is self.owner.live.projector:
                    raise
