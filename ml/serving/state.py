"""The scorer's view of its projection: the state as folded so far, and what is kept ready for scoring over it."""

import asyncio

from ml.policies.decision import Decider
from projections.folds.projection import State
from projections.owner import Owner
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
        """Take an owner that has been started; ready once it has folded `last_seq`."""
        self.owner = owner
        while self.state.seq < last_seq:
            await owner.live.projector.wait_for(last_seq)
        self._ready = True

    async def caught_up(self, seq: int, timeout: float) -> None:
        """Return once `seq` is folded. Raises Problem 503 when that takes longer than `timeout` seconds."""
        assert self.owner is not None
        if self.state.seq >= seq:
            return
        try:
            async with asyncio.timeout(timeout):
                while self.state.seq < seq:
                    await self.owner.live.projector.wait_for(seq)
        except TimeoutError:
            detail = f"min_seq {seq} is not folded after {timeout:g} s, the scorer stands at {self.state.seq}"
            raise Problem(503, "Not folded yet", detail, field="min_seq", headers={"Retry-After": "1"}) from None
