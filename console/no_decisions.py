"""What a page says where there is nothing to show: nothing yet at all, or nothing in the window."""

import asyncio

from services.api.parts import Parts

Words = tuple[str, str]
NONE_YET: Words = ("No decisions yet", "Ask for recommendations, or start with --demo.")


async def why_nothing(parts: Parts, otherwise: Words) -> Words:
    """`otherwise`, unless nothing was decided so far: then no other window would show more."""
    return otherwise if await asyncio.to_thread(parts.read_model.decisions, None, 1) else NONE_YET
