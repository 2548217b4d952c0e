"""How everything here is measured: compared things take turns in short slices, and the median over the turns counts.

On a shared machine absolute numbers drift from minute to minute; things measured in turns drift together, so their
ratio holds. A ratio is the median of the ratios of each turn.
"""

import gc
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

Work = Callable[[], int | Awaitable[int]]
"""Does one piece of work and says how many units it was."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Work whose material is made first, outside the measured time, and handed to it."""

    prepare: Callable[[], Any]
    work: Callable[[Any], int | Awaitable[int]]


async def in_turns(cases: Mapping[str, Work | Prepared], *, turns: int, slice_s: float) -> dict[str, list[float]]:
    """Units a second of each case in each turn; every turn gives each case `slice_s` seconds, at least one piece."""
    rates: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(turns + 1):
        for name, work in cases.items():
            gc.collect()
            rate = await _slice(work, slice_s)
            # The first turn warms caches and compiles; it counts for nobody.
            if turn > 0 or turns == 0:
                rates[name].append(rate)
    return rates


async def _slice(work: Work | Prepared, slice_s: float) -> float:
    units, elapsed = 0, 0.0
    while elapsed < slice_s:
        if isinstance(work, Prepared):
            material = work.prepare()
            start = perf_counter()
            done = work.work(material)
        else:
            start = perf_counter()
            done = work()
        units += await done if inspect.isawaitable(done) else done
        elapsed += perf_counter() - start
    return units / elapsed


def ratio(rates: Mapping[str, list[float]], name: str, to: str) -> float:
    """How many times the rate of `to` the rate of `name` is."""
    return median(one / other for one, other in zip(rates[name], rates[to], strict=True))
