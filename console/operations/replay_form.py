"""Asking for a replay: what and how far, its plan, and only then the request."""

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui
from pydantic import ValidationError

from console.components.confirm import reasoned
from console.components.filters import text_filter, toggle
from console.components.notice import notice
from console.components.panel import panel
from console.components.table import Column, Table
from console.frame import Visit
from console.moments import amount, count
from services.api.admin.replays import EVERY, ReplayAsked, ReplayOrder, ReplayPlan, ask_for_replay, plan
from services.problems import Problem, fields_of

MODES = {"fold": "Fold again", "back": "Switch back"}
BOUNDS = {"": "the end", "upto_seq": "a sequence", "upto_time": "a time"}
HINTS = {"upto_seq": "such as 1000", "upto_time": "2026-11-24T02:00:00Z"}
PLAN = (
    Column("projection", "Projection"),
    Column("live_version", "Live version", "number"),
    Column("live_seq", "At event", "number", show=count),
    Column("effect", "What would become of it"),
)


class ReplayForm:
    """The form; each change of it lets go of the plan that it has shown."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._asked: Callable[[ReplayAsked], Awaitable[None]] | None = None
        note = "Fold the log again beside the live read models, compare digests, and switch when they are equal."
        with panel("Replay", note=note):
            with ui.element("div").classes("line wrap end"):
                self._mode = toggle(MODES, "fold", lambda _: self._offer(), label="What to do")
                with ui.element("div").classes("field"):
                    ui.label("Projections").classes("field-label").props("aria-hidden=true")
                    self._projections = ui.select(list(EVERY), value=list(EVERY), multiple=True, on_change=self._forget)
                    self._projections.props("outlined dense options-dense").style("min-width: 220px")
                    self._projections.props["aria-label"] = "Projections"
            with ui.element("div").classes("line wrap end") as self._scope:
                self._user = text_filter("Only this person", "", lambda _: self._forget(), hint="everybody")
                with ui.element("div").classes("field"):
                    ui.label("Up to").classes("field-label").props("aria-hidden=true")
                    self._bound = toggle(BOUNDS, "", lambda _: self._offer(), label="Up to")
                self._end = text_filter("Sequence or time", "", lambda _: self._forget())
            with ui.element("div").classes("line"):
                ui.button("Dry run", icon="visibility", on_click=self._plan, color="primary").props("unelevated")
                ui.label("says what would be touched, and touches nothing").classes("muted small")
            self._shown = ui.element("div").classes("stack tight").props("aria-live=polite")
        self._offer()

    def on_asked(self, asked: Callable[[ReplayAsked], Awaitable[None]]) -> None:
        """Call this when a replay was asked for."""
        self._asked = asked

    def _offer(self) -> None:
        self._scope.visible = self._mode.value == "fold"
        self._end.parent_slot.parent.visible = bool(self._bound.value)  # type: ignore[union-attr]
        self._end.props["placeholder"] = HINTS.get(self._bound.value, "")
        self._forget()

    def _forget(self) -> None:
        self._shown.clear()

    def _order(self) -> ReplayOrder:
        """What the form says. Raises Problem naming the field."""
        fields: dict[str, Any] = {"projections": self._projections.value, "back": self._mode.value == "back"}
        if self._mode.value == "fold":
            fields["user_id"] = self._user.value or None
            if self._bound.value:
                said = (self._end.value or "").strip()
                fields[self._bound.value] = int(said) if self._bound.value == "upto_seq" and said.isdecimal() else said
        try:
            return ReplayOrder.model_validate(fields)
        except ValidationError as error:
            raise Problem.invalid(fields_of(error)) from None

    async def _plan(self) -> None:
        await self._visit.check("operate")
        self._forget()
        order = self._order()
        found = await plan(self._visit.parts, order)
        with self._shown:
            _show(found)
            action = "Switch back…" if order.back else "Replay…"
            button = ui.button(action, on_click=lambda: self._ask(order, found), color="primary")
            button.props("unelevated").style("align-self: flex-start")

    async def _ask(self, order: ReplayOrder, found: ReplayPlan) -> None:
        text = "\n".join(f"{one.projection}: {one.effect}" for one in found.touched)
        action = "Switch back" if order.back else "Replay"
        reason = await reasoned(f"{action} now?", text, action=action)
        if reason is None:
            return
        await self._visit.check("operate")
        order = order.model_copy(update={"reason": reason or None})
        asked = await ask_for_replay(self._visit.parts, order, self._visit.actor)
        self._forget()
        if self._asked is not None:
            await self._asked(asked)


def _show(found: ReplayPlan) -> None:
    if found.complaint:
        notice(found.complaint, tone="warn", title="This could not be called a full replay")
    else:
        notice(
            f"{amount(found.events, 'events')} a projection would be read. Nothing has been touched.", title="The plan"
        )
    table = Table(PLAN, [one.model_dump() for one in found.touched], label="The plan", page_size=0)
    table.element.props("wrap-cells")
