"""How far work beside the stream may go, so that whoever keeps the stream busy comes first."""

from collections import deque
from collections.abc import Callable

BUSY_PER_S = 50.0
LOOK_S = 0.1
"""A rate is taken over so long at least: two events a millisecond apart are no load."""


class Deferral:
    """While others store more than `BUSY_PER_S` events a second, work goes only as far as the stream had come
    `longest_s` seconds ago; else to its end. `clock` tells seconds.

    So a load that never ends is followed at its own pace, so much later, and never in bursts.
    """

    def __init__(self, longest_s: float, clock: Callable[[], float]) -> None:
        self._longest_s, self._clock = longest_s, clock
        self._looked: tuple[float, int] | None = None
        self._ends: deque[tuple[float, int]] = deque()
        self._old_enough = 0
        # Until a rate is known: who starts under load has much to catch up with.
        self.busy = True

    def look(self, last_seq: int, own: int) -> int:
        """The sequence up to which there may be work now; `own` counts the events that the work itself has stored."""
        now, others = self._clock(), last_seq - own
        if self._looked is None:
            self._looked = now, others
        elif (elapsed := now - self._looked[0]) >= LOOK_S:
            self.busy = (others - self._looked[1]) / elapsed > BUSY_PER_S
            self._looked = now, others
        self._ends.append((now, last_seq))
        while self._ends and self._ends[0][0] <= now - self._longest_s:
            self._old_enough = self._ends.popleft()[1]
        return self._old_enough if self.busy else last_seq
