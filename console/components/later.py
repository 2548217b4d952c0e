"""What takes a while: its place is painted at once, its content when it is there."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from console.components.notice import notice
from contracts.errors import TipstreamError


def later(build: Callable[[], Awaitable[None]], *heights: int) -> ui.element:
    """Grey places of these heights until `build`, which awaits first and builds then, is done; trouble is shown there.

    A page builder has three seconds in all, and a page should show something long before.
    """
    place = ui.element("div").classes("stack")
    with place:
        waiting = ui.element("div").classes("stack")
        with waiting:
            for height in heights:
                ui.element("div").classes("skeleton").style(f"height: {height}px")

    async def fill() -> None:
        with place:
            try:
                await build()
            except TipstreamError as problem:
                notice(str(problem), tone="bad", title="This cannot be shown now")
            waiting.delete()

    with place:
        ui.timer(0, fill, once=True)
    return place
