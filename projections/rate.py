"""How many events a second a fold takes, over the last seconds."""

import time
from collections import deque
from collections.abc import Callable

WINDOW_S = 5.0


class Rate:
    """Counts events; `per_second` looks back `WINDOW_S` seconds at most."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._samples: deque[tuple[float, int]] = deque()
        self._total = 0

    def count(self, events: int) -> None:
        """These have just been folded."""
        now = self._clock()
        self._samples.append((now, events))
        self._total += events
        self._forget(now)

    def per_second(self) -> float:
        """Events a second, 0 when there were none lately."""
        now = self._clock()
        self._forget(now)
        return self._total / max(min(now - self._began, WINDOW_S), 0.001)

    def _forget(self, now: float) -> None:
        while self._samples and now - self._samples[0][0] > WINDOW_S:
            self._total -= self._samples.popleft()[1]
