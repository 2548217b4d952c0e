"""A version's card with what came after it, and the buttons that let it score along, promote it or go back by one."""

from asyncio import to_thread
from collections.abc import Awaitable, Callable

from nicegui import ui

from console.components.confirm import reasoned
from console.components.notice import chip, empty, notice
from console.components.panel import panel
from console.frame import Visit
from contracts.feature_sets import CURRENT
from ml.registry.registry import NotRegistered, Registry, RegistryAway
from services.api.admin.cards import Story, story
from services.api.admin.commands import folded
from services.api.admin.models import ModelVersion
from services.api.admin.promotions import (
    Followed,
    PromotionOrder,
    RollbackOrder,
    consequence,
    previous,
    promotable,
    promote,
    roll_back,
    standing,
)
from services.api.admin.shadow_orders import ShadowOrder, shadow, shadow_consequence, withdraw
from services.problems import Problem

Changed = Callable[[], Awaitable[None]]


class ModelCard:
    """The card as it reads now; whoever operates may promote its version or put it into shadow unless it is live, and
    withdraw one that scores `along`."""

    def __init__(self, visit: Visit, version: ModelVersion, *, live: bool, along: bool, changed: Changed) -> None:
        self._visit, self._version, self._changed = visit, version, changed
        with panel(f"Card of {version.id}") as found:
            with ui.element("div").classes("line wrap"):
                for alias in version.aliases:
                    chip(alias, "accent")
                chip(version.status.lower(), "good" if version.status == "READY" else "warn")
                if live:
                    chip("live", "good")
                if along:
                    chip("in shadow", "accent")
            self._told = ui.element("div").classes("w-full stack")
            for name, value in sorted(version.tags.items()):
                with ui.element("div").classes("line apart"):
                    ui.label(name).classes("muted small")
                    ui.label(value).classes("mono break")
        if visit.may("operate"):
            with found.actions:
                if along:
                    ui.button("Withdraw…", on_click=self._withdraw, color=None).props("outline dense")
                elif not live:
                    ui.button("Shadow…", on_click=self._shadow, color=None).props("outline dense")
                if not live:
                    ui.button("Promote…", on_click=self._promote, color="primary").props("unelevated dense")
        ui.timer(0, self._tell, once=True)

    async def _tell(self) -> None:
        registry = Registry(self._visit.parts.mlflow)
        try:
            told: Story = await story(self._visit.parts, await registry.version(self._version.id))
        except (NotRegistered, RegistryAway) as problem:
            with self._told:
                notice(str(problem), tone="warn")
            return
        with self._told:
            if told.lacks:
                said = "; ".join(told.lacks)
                notice(f"It cannot be promoted, as the card lacks: {said}", tone="warn", title="Incomplete card")
            if told.text:
                # Its tables may be wider than a phone: a stop for the keyboard, which scrolls it then.
                ui.markdown(told.text).classes("models-card").props("tabindex=0")
            else:
                empty("No card", "A version without a card can't be promoted.", icon="description")

    async def _promote(self) -> None:
        parts, order = self._visit.parts, PromotionOrder(model_version=self._version.id)
        try:
            _, prior, card = await promotable(parts, order.model_version)
        except Problem as problem:
            ui.notify(problem.detail, type="warning")
            return
        lines = (await consequence(parts, prior.feature_set, order.model_version)).said
        failed = [f"FAILED {check.name}: {check.said}" for check in card.failed]
        if failed:
            lines = [*lines, *failed, "It needs a reason, which stays in the log."]
        title = f"Promote {order.model_version}?"
        reason = await reasoned(title, "\n".join(lines), action="Promote", danger=bool(failed))
        if reason is None:
            return
        order = order.model_copy(update={"reason": reason or None, "force": bool(failed)})
        await self._do(lambda: promote(parts, order, self._visit.actor), _starts(self._version.id))

    async def _shadow(self) -> None:
        parts, version = self._visit.parts, self._version.id
        try:
            _, prior, _ = await promotable(parts, version)
        except Problem as problem:
            ui.notify(problem.detail, type="warning")
            return
        said = (await shadow_consequence(parts, prior.feature_set, version)).said
        reason = await reasoned(f"Put {version} into shadow?", "\n".join(said), action="Shadow")
        if reason is None:
            return
        order = ShadowOrder(model_version=version, reason=reason or None)
        await self._do(lambda: shadow(parts, order, self._visit.actor), f"{version} scores along.")

    async def _withdraw(self) -> None:
        parts, version = self._visit.parts, self._version.id
        said = "It no longer scores along; what it has shown stays."
        reason = await reasoned(f"Withdraw {version} from shadow?", said, action="Withdraw")
        if reason is None:
            return
        order = ShadowOrder(model_version=version, reason=reason or None)
        await self._do(lambda: withdraw(parts, order, self._visit.actor), f"{version} no longer scores along.")

    async def _do(self, act: Callable[[], Awaitable[Followed]], said: str) -> None:
        await self._visit.check("operate")
        try:
            done = await act()
        except Problem as problem:
            ui.notify(problem.detail, type="warning")
            return
        await _follow(self._visit, done, said, self._changed)


def roll_back_button(visit: Visit, changed: Changed) -> None:
    """Goes back by one promotion, for whoever operates."""

    async def ask() -> None:
        try:
            event = previous(await to_thread(standing, visit.parts, CURRENT), CURRENT)
        except Problem as problem:
            ui.notify(problem.detail, type="warning")
            return
        said = (await consequence(visit.parts, CURRENT, event.model_version)).said
        reason = await reasoned("Roll back?", "\n".join(said), action="Roll back", danger=True)
        if reason is None:
            return
        await visit.check("operate")
        done = await roll_back(visit.parts, RollbackOrder(reason=reason or None), visit.actor)
        await _follow(visit, done, _starts(done.model_version), changed)

    if visit.may("operate"):
        ui.button("Roll back…", on_click=ask, color=None).props("outline dense")


def _starts(model_version: str) -> str:
    return f"the next scores start from {model_version}."


async def _follow(visit: Visit, done: Followed, said: str, changed: Changed) -> None:
    if await folded(visit.parts, done.seq):
        ui.notify(f"Event {done.seq}: {said}")
    else:
        ui.notify(f"Asked for: event {done.seq}. The read model is behind; see Health.", type="warning")
    if done.note:
        ui.notify(done.note, type="warning")
    await changed()
