"""What may be done about one person: forget what was learned, prove their rows, erase them; each after a dry run."""

from asyncio import to_thread
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from console.addresses import url
from console.components.confirm import confirm, reasoned
from console.components.notice import notice
from console.components.panel import icon_button
from console.frame import Visit
from console.ids import shown_id
from console.moments import amount, moment, number, size
from console.operations.replays import words_of
from services.api.admin.commands import folded
from services.api.admin.erasures import ErasurePlan, erase, plan_erasure
from services.api.admin.links import tips_link
from services.api.admin.replays import ReplayOrder, ask_for_replay, plan, replay
from services.api.admin.users import ResetPlan, reset, reset_plan
from services.problems import Problem

PERIOD_S = 0.5


class Deeds:
    """Buttons for what the visitor may do; `done` is called after a change."""

    def __init__(self, visit: Visit, user_id: str, done: Callable[[], Awaitable[None]]) -> None:
        self._visit, self._user_id, self._done = visit, user_id, done
        if not visit.may("operate"):
            return
        with ui.element("div").classes("line wrap"):
            _button("Reset…", "restart_alt", self._reset)
            _button("Replay…", "replay", self._replay)
            _button("Tips link…", "link", self._link)
            if visit.may("administer"):
                _button("Erase…", "delete_forever", self._erase).classes("tone-bad")
        self._said = ui.element("div").classes("w-full").props("aria-live=polite")

    async def _reset(self) -> None:
        if await forgotten(self._visit, self._user_id):
            await self._done()

    async def _replay(self) -> None:
        await self._visit.check("operate")
        order = ReplayOrder(user_id=self._user_id)
        found = await plan(self._visit.parts, order)
        lines = [f"{amount(found.events, 'events')} about this person. Nothing has been touched."]
        lines += [f"{one.projection}: {one.effect}" for one in found.touched]
        reason = await reasoned(f"Replay {shown_id(self._user_id)}?", "\n".join(lines), action="Replay")
        if reason is None:
            return
        await self._visit.check("operate")
        order = order.model_copy(update={"reason": reason or None})
        asked = await ask_for_replay(self._visit.parts, order, self._visit.actor)
        self._follow(asked.replay_id)

    def _follow(self, replay_id: str) -> None:
        """Say how far the replay is until it has ended."""
        self._said.clear()
        with self._said:
            line = ui.label("Waiting for the replay worker")
            ui.link("Follow it under Operations", url("/admin/ops", replay=replay_id))

        async def look() -> None:
            try:
                row = await to_thread(replay, self._visit.parts, replay_id)
            except Problem:
                return  # not folded yet
            if row["progress"] is not None:
                line.text = words_of(row["progress"])
            if row["outcome"] is not None:
                timer.deactivate()
                said = "; ".join(f"{one['projection']}: {_verdict(one)}" for one in row["results"])
                line.text = said or row["detail"]

        with self._said:
            timer = ui.timer(PERIOD_S, look)

    async def _link(self) -> None:
        text = "Whoever has the link is this person on the tips page, until it expires. Give it to nobody else."
        if not await confirm(f"Make a tips link for {shown_id(self._user_id)}?", text, action="Make it"):
            return
        await self._visit.check("operate")
        made = tips_link(self._visit.parts, self._user_id, str(self._visit.request.base_url))
        self._said.clear()
        with self._said:
            notice(f"It is good until {moment(made.expires_at.isoformat())}.", title="The link to the tips page")
            with ui.element("div").classes("line w-full"):
                ui.label(made.url).classes("mono break grow").props('aria-label="The tips link"')
                icon_button("content_copy", "Copy the link", lambda: ui.clipboard.write(made.url))

    async def _erase(self) -> None:
        await self._visit.check("administer")
        found = await plan_erasure(self._visit.parts, self._user_id)
        title = f"Erase {shown_id(self._user_id)}?"
        reason = await reasoned(title, erasure_words(found), action="Erase", typed=self._user_id, danger=True)
        if reason is None:
            return
        identity = await self._visit.check("administer")
        asked = await erase(
            self._visit.parts, self._user_id, identity.name, confirm=self._user_id, reason=reason or None
        )
        self._said.clear()
        with self._said:
            notice(f"The request is event {asked.seq}; the receipt will not name the person.", title="Asked for")
            ui.link("See what becomes of it", url("/admin/ops", text=asked.erasure_id))


async def forgotten(visit: Visit, user_id: str) -> bool:
    """Whether what was learned of a person was forgotten, after asking for it and why."""
    await visit.check("operate")
    found = await to_thread(reset_plan, visit.parts, user_id)
    reason = await reasoned(f"Reset {shown_id(user_id)}?", reset_words(found), action="Reset", danger=True)
    if reason is None:
        return False
    await visit.check("operate")
    done = await reset(visit.parts, user_id, visit.actor, reason or None)
    await folded(visit.parts, done.seq)
    ui.notify(f"Forgotten: event {done.seq}")
    return True


def reset_words(found: ResetPlan) -> str:
    """What a reset would forget."""
    return "\n".join(
        (
            f"{amount(found.pulls, 'pulls')} with a reward of {number(found.cumulative_reward)} would be forgotten.",
            f"{amount(found.unanswered, 'decisions')} without a reaction would no longer be learned from.",
            "The log, the tables and the reports keep what happened.",
        )
    )


def erasure_words(found: ErasurePlan) -> str:
    """What an erasure would take, and what stays."""
    lines = [f"{amount(found.total, 'events')} ({size(found.bytes)}) would be erased, and what they taught un-learned:"]
    lines += [amount(n, kind.replace("_", " ")) for kind, n in found.events.items()]
    lines += [f"Stays: {amount(n, kind.replace('_', ' '))} quoting the id" for kind, n in found.quoted.items()]
    return "\n".join([*lines, "There is no way back."])


def _verdict(result: dict[str, Any]) -> str:
    verdict: str = {True: "digests equal", False: "digests differ"}.get(result["equal"], result["note"])
    return verdict


def _button(words: str, icon: str, on_click: Callable[[], Awaitable[None]]) -> ui.button:
    return ui.button(words, icon=icon, on_click=on_click, color=None).props("outline")
