"""What a page says while the stream or the part that it asks does not answer.

It asks nobody, but reads what health has seen lately: however many pages are open, each part is asked once.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from nicegui import background_tasks, ui

from console.components.notice import notice
from contracts.errors import TipstreamError
from contracts.times import SECOND_US, format_time
from services.api.condition import Watch
from services.publishing import now_us

PERIOD_S = 2.0
LOOK_S, GRACE_S = 0.5, 3.0
HEALTH = "/admin/health"
NAMES = {
    "stream": "The stream",
    "analytics": "The analytics process",
    "query": "The query process",
    "scorer": "The scorer",
}

Found = TypeVar("Found")


class Silent(TipstreamError):
    """What was asked for was not waited for: the part that should answer does not answer health either."""


def silence(watch: Watch, part: str = "stream", *, for_s: float = 0.0) -> str:
    """That the stream or else a part has not answered for a while, and since when; empty when both do."""
    for name in dict.fromkeys(("stream", part)):
        since = watch.silent_since(name)
        if since is not None and now_us() - since >= for_s * SECOND_US:
            return f"{NAMES[name]} has not answered since {format_time(since)[11:19]} UTC"
    return ""


async def unless_silent(watch: Watch, part: str, asked: Awaitable[Found]) -> Found:
    """What was asked for. Raises Silent as soon as nothing can be hoped for."""
    try:
        async with asyncio.timeout(None) as limit:

            async def look() -> None:
                while True:
                    # First: what is at hand needs no part to answer. One look may miss a part that has much to do.
                    await asyncio.sleep(LOOK_S)
                    if silence(watch, part, for_s=GRACE_S):
                        limit.reschedule(asyncio.get_running_loop().time())
                        return

            looking = background_tasks.create(look(), name="look whether an answer can be hoped for")
            try:
                return await asked
            finally:
                looking.cancel()
    except TimeoutError:
        if limit.expired():
            raise Silent(silence(watch, part) or "It did not answer for some seconds, and does again") from None
        raise


def stream_banner(watch: Watch) -> None:
    """A line above the page while the stream does not answer; it comes and goes by itself."""
    place, shown = ui.element("div").classes("w-full"), ""

    def look() -> None:
        nonlocal shown
        # Seen silent twice: a busy part misses one look now and then.
        said = silence(watch, for_s=PERIOD_S / 2)
        if said == shown:
            return
        shown, place.visible = said, bool(said)
        place.clear()
        if said:
            with place, notice("What is shown here may be old, and most changes have to wait.", tone="bad", title=said):
                ui.link("See Health", HEALTH)

    place.visible = False
    look()
    ui.timer(PERIOD_S, look)
