"""What went wrong, where it should have been shown, with a way to try again; after an outage that is done by itself."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from console.components.notice import notice
from console.components.outage import HEALTH, PERIOD_S, Silent, silence
from contracts.errors import TipstreamError
from services.api.condition import Watch
from services.bus.errors import BusUnavailable
from services.problems import Problem


class Trouble:
    """A place that is empty until `show`; `again` is what is tried again, and should `clear` it first."""

    def __init__(
        self, watch: Watch, title: str, again: Callable[[], Awaitable[None] | None], *, part: str = "analytics"
    ) -> None:
        self._watch, self._title, self._again, self._part = watch, title, again, part
        self._silent = False
        self._place = ui.element("div").classes("stack tight")
        self._place.visible = False
        self._timer = ui.timer(PERIOD_S, self._look, active=False)

    def clear(self) -> None:
        """Nothing is wrong any more."""
        self._timer.deactivate()
        self._place.clear()
        self._place.visible = False

    def show(self, problem: TipstreamError) -> None:
        """Say what it is; of a part that does not answer, what health knows of it."""
        self.clear()
        away = isinstance(problem, (BusUnavailable, Silent)) or (isinstance(problem, Problem) and problem.status == 503)
        known = silence(self._watch, self._part) if away else ""
        self._silent = bool(known) or isinstance(problem, Silent)
        self._place.visible = True
        with self._place:
            with notice(known or str(problem), tone="bad", title=self._title):
                if away:
                    ui.link("See Health", HEALTH)
            ui.button("Try again", on_click=self._again, color=None).props("outline")
        if away:
            self._timer.activate()

    async def _look(self) -> None:
        now = bool(silence(self._watch, self._part))
        if self._silent and not now:
            self._timer.deactivate()
            tried = self._again()
            if tried is not None:
                await tried
            return
        self._silent = now
