"""What takes a while: its place is painted at once, its content when it is there."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from console.components.outage import unless_silent
from console.components.trouble import Trouble
from contracts.errors import TipstreamError
from services.api.condition import Watch


def later(watch: Watch, build: Callable[[], Awaitable[None]], *heights: int, part: str = "stream") -> ui.element:
    """Grey places of these heights until `build`, which awaits first and builds then, is done; trouble is shown there.

    `part` is what it waits for, beside the stream.

    A page builder has three seconds in all, and a page should show something long before.
    """
    place = ui.element("div").classes("stack")
    with place:
        waiting = ui.element("div").classes("stack")
        with waiting:
            for height in heights:
                ui.element("div").classes("skeleton").style(f"height: {height}px")

    async def fill() -> None:
        trouble.clear()
        with place:
            try:
                await unless_silent(watch, part, build())
            except TipstreamError as problem:
                trouble.show(problem)
            waiting.visible = False

    with place:
        trouble = Trouble(watch, "This cannot be shown now", fill, part=part)
        ui.timer(0, fill, once=True)
    return place
