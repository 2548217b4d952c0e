"""Time in tests: a clock that moves when told, and waiting for a condition instead of a duration."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], bool | Awaitable[bool]], *, limit: float = 60.0, pause: float = 0.005) -> None:
    """Return once the condition holds, looked at every `pause` seconds; AssertionError after `limit` seconds."""
    deadline = asyncio.get_running_loop().time() + limit
    while True:
        held = condition()
        if held if isinstance(held, bool) else await held:
            return
        assert asyncio.get_running_loop().time() < deadline, f"not so within {limit:g} s"
        await asyncio.sleep(pause)


class ManualClock:
    """Nanoseconds since 1970 that only move when told; calling it reads it."""

    def __init__(self, now_ns: int = 1_767_225_600_000_000_000) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns

    def advance(self, seconds: float) -> None:
        """Move on."""
        self.now_ns += int(seconds * 1_000_000_000)
