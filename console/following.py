"""Waiting until what was just changed can be seen."""

import asyncio

from console.frame import Visit

MOST_S = 5.0
AGAIN_S = 0.1


async def folded(visit: Visit, seq: int) -> bool:
    """Whether the read model has got to an event, within a few seconds; if not, the change still comes."""
    for _ in range(round(MOST_S / AGAIN_S)):
        if await asyncio.to_thread(visit.parts.read_model.seq) >= seq:
            return True
        await asyncio.sleep(AGAIN_S)
    return False
