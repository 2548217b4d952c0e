"""The window of a page: the last so many days or any first and last day, kept in the address, and what it loads."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

from nicegui import ui

from console.addresses import Address
from console.components.filters import toggle
from console.components.outage import unless_silent
from console.components.trouble import Trouble
from contracts.errors import TipstreamError
from services.api.admin.windows import Window
from services.api.condition import Watch
from services.problems import Problem

DEFAULT = 30
CHOICES = {7: "7 days", 30: "30 days", 90: "90 days", 0: "All"}


class WindowBar:
    """Toggle and dates over `address` (`days`, or `since` and `until`); `load` is called with each window, the last one
    wins, and what goes wrong is said under the bar."""

    def __init__(self, watch: Watch, address: Address, load: Callable[[Window], Awaitable[None]]) -> None:
        self._watch, self._address, self._load = watch, address, load
        self._asked, self._loading = 0, asyncio.Lock()
        with ui.element("div").classes("line wrap end"):
            self._toggle = toggle(CHOICES, self._days(), self._choose, label="Window")
            self._since = self._date("From", "since")
            self._until = self._date("To", "until")
            self.more = ui.element("div").classes("line wrap end")
        self._trouble = Trouble(watch, "This cannot be shown now", self.refresh)
        ui.timer(0, self.refresh, once=True)

    async def refresh(self) -> None:
        """Load the window of the address."""
        self._asked += 1
        mine = self._asked
        async with self._loading:
            if mine != self._asked:
                return
            self._trouble.clear()
            try:
                await unless_silent(self._watch, "analytics", self._load(self._window()))
            except TipstreamError as problem:
                self._trouble.show(problem)

    def _window(self) -> Window:
        values = self._address.values
        first, last = (_day(name, values.get(name)) for name in ("since", "until"))
        if first or last:
            return Window.of(since=first, until=last)
        return Window.of(days=values.get("days") or None)

    def _days(self) -> int | None:
        """The choice that the address stands for; any other number of days may stand there too."""
        values = self._address.values
        days = None if values.get("since") or values.get("until") else values.get("days")
        return days if days in CHOICES else None

    def _date(self, label: str, name: str) -> ui.input:
        with ui.element("div").classes("field"):
            ui.label(label).classes("field-label").props("aria-hidden=true")
            field = ui.input(value=self._address.values.get(name) or "")
            field.props("outlined dense type=date debounce=400").props["aria-label"] = label
        field.on_value_change(lambda event: self._set_day(name, event.value or ""))
        return field

    async def _choose(self, days: int | None) -> None:
        if days is not None:
            self._address.set(days=days, since="", until="")
            self._since.set_value("")
            self._until.set_value("")
            await self.refresh()

    async def _set_day(self, name: str, value: str) -> None:
        values = self._address.values
        if value != (values.get(name) or ""):
            other = values.get("until" if name == "since" else "since")
            self._address.set(**{name: value, "days": None if value or other else DEFAULT})
            self._toggle.set_value(self._days())
            await self.refresh()


def _day(name: str, text: Any) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Problem.invalid([(name, "must be a day such as 2026-01-31")]) from None
