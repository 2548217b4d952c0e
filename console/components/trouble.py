"""What went wrong, where it should have been shown, with a way to try again; after an outage that is done by itself.

Nothing beside it looks as if it were still to come.
"""

from collections.abc import Awaitable, Callable

from nicegui import ui

from console.components.notice import notice
from console.components.outage import HEALTH, PERIOD_S, Silent, silence
from contracts.errors import TipstreamError
from services.api.condition import Watch
from services.bus.errors import BusUnavailable
from services.problems import Problem

HIDDEN = "display: none"


class Trouble:
    """A place that is empty until `show`; `again` is what is tried again, and should `clear` it first."""

    def __init__(
        self, watch: Watch, title: str, again: Callable[[], Awaitable[None] | None], *, part: str = "analytics"
    ) -> None:
        self._watch, self._title, self._again, self._part = watch, title, again, part
        self._silent = False
        self._hidden: list[ui.element] = []
        self._place = ui.element("div").classes("stack tight")
        self._place.visible = False
        self._timer = ui.timer(PERIOD_S, self._look, active=False)

    def clear(self) -> None:
        """Nothing is wrong any more."""
        self._timer.deactivate()
        self._place.clear()
        self._place.visible = False
        for waiting in self._hidden:
            waiting.style(remove=HIDDEN)
        self._hidden = []

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
            # What was refused as it is will be refused again.
            if not (isinstance(problem, Problem) and 400 <= problem.status < 500):
                ui.button("Try again", on_click=self._again, color=None).props("outline")
        self._hide_what_waits()
        if away:
            self._timer.activate()

    def _hide_what_waits(self) -> None:
        slot = self._place.parent_slot
        assert slot is not None
        self._hidden = [element for element in slot.parent.descendants() if "skeleton" in element.classes]
        for waiting in self._hidden:
            # Not by `visible`, which is for whoever made it to set.
            waiting.style(HIDDEN)

    async def _look(self) -> None:
        now = bool(silence(self._watch, self._part))
        if self._silent and not now:
            self._timer.deactivate()
            tried = self._again()
            if tried is not None:
                await tried
            return
        self._silent = now
