"""One person's tip on the tips page: the card, the actions under it, and what happens when one is pressed."""

import asyncio
from collections.abc import Awaitable, Callable
from time import time

from nicegui import background_tasks, ui
from nicegui.events import KeyEventArguments

from console.components.notice import heading, notice
from console.own_tip import OwnTip, answer, answers_learned, next_tip, reason, tip_now, trouble, unconfirmed
from console.reasons import ON_THE_WHOLE
from contracts.errors import TipstreamError
from contracts.rewards import Action
from services.accounts.visitors import Visitor
from services.api.parts import Parts
from services.problems import Problem
from services.publishing import new_id

SEND_AGAIN_S = 2.0
SETTLE_S = 0.6
"""After a new tip the buttons rest, so that a double tap does not answer the next one too."""

ACTIONS: dict[Action, tuple[str, str, str, str]] = {
    "helpful": ("Helpful", "thumb_up", "h", "Glad it helped."),
    "not_helpful": ("Not helpful", "thumb_down", "n", "Thank you for saying so."),
    "done": ("Done", "check", "d", "Well done."),
    "snoozed": ("Snooze", "snooze", "s", "Another time, then."),
    "dismissed": ("Dismiss", "close", "x", "Put away."),
}
"""What may be pressed: its label, icon, key and what is said then."""

CATEGORY_ICONS = {
    "movement": "directions_walk", "rest": "bedtime", "mind": "self_improvement", "focus": "center_focus_strong",
    "social": "groups", "nutrition": "restaurant",
}  # fmt: skip
EFFORTS = ("no effort", "little effort", "some effort", "quite an effort", "a real effort")


class TipView:
    """Shows a tip, takes one answer to it, and shows the next, which knows that answer."""

    def __init__(self, parts: Parts, visitor: Visitor) -> None:
        assert visitor.user_id is not None
        self._parts, self._visitor, self._user_id = parts, visitor, visitor.user_id
        self._offset = 0
        self._tip: OwnTip | None = None
        self._event_id = new_id()
        self._busy = True
        self._said = ui.label().classes("tips-said").props("role=status aria-live=polite")
        self._card = ui.element("section").classes("tips-card").props('aria-label="Your tip" aria-live=polite')
        with self._card:
            for height in (14, 28, 18, 18):
                ui.element("div").classes("skeleton").style(f"height: {height}px")
        self._trouble = ui.element("div").classes("w-full")
        self._buttons: dict[Action, ui.button] = {}
        with ui.element("div").classes("tips-sheet").props('role=group aria-label="What you make of it"'):
            for action, (label, icon, key, _) in ACTIONS.items():
                button = ui.button(label, icon=icon, color=None, on_click=self._pressing(action))
                button.props(f'flat no-caps stack aria-keyshortcuts={key} title="{label} (key {key})"')
                self._buttons[action] = button.classes(f"tips-action tips-{action}")
        self._learned = ui.label().classes("muted small tips-learned")
        ui.keyboard(on_key=self._key, ignore=["input", "select", "textarea"])
        self._rest(True)

    async def begin(self) -> None:
        """Show the first tip, once the browser is there to say what time it is."""
        try:
            self._offset = -int(await ui.run_javascript("new Date().getTimezoneOffset()", timeout=3.0))
        except (TimeoutError, TypeError, ValueError):
            self._offset = 0
        await self._show(lambda: tip_now(self._parts, self._user_id, self._offset), None)

    async def _press(self, action: Action) -> None:
        tip = self._tip
        if self._busy or tip is None:
            return
        self._rest(True)
        self._buttons[action].props("loading")
        self._trouble.clear()
        seq: int | None = None
        try:
            while seq is None and not self._card.is_deleted:
                seq = await self._send(tip, action)
        except TipstreamError as problem:
            self._rest(False)
            self._fail("Your answer did not get through", problem, lambda: self._press(action))
            return
        finally:
            self._buttons[action].props(remove="loading")
        self._tip, self._event_id = None, new_id()
        self._said.text = f"{ACTIONS[action][3]} Here is your next tip."
        await self._show(lambda: next_tip(self._parts, self._user_id, self._offset, min_seq=seq, after=tip.tip_id), seq)

    async def _send(self, tip: OwnTip, action: Action) -> int | None:
        """Give the answer; its sequence, or None after a pause when nobody confirmed it. Raises TipstreamError.

        It may have arrived all the same: given again it is the same answer, and counts once.
        """
        self._check()
        try:
            return await answer(self._parts, self._user_id, tip, action, self._event_id)
        except TipstreamError as problem:
            if not unconfirmed(problem):
                raise
            self._trouble.clear()
            with self._trouble:
                text = f"{trouble(problem)} It is sent again until it is confirmed, and counts once; stay on this page."
                notice(text, tone="bad", title="Your answer is not confirmed yet")
        await asyncio.sleep(SEND_AGAIN_S)
        return None

    async def _show(self, find: Callable[[], Awaitable[OwnTip]], seq: int | None) -> None:
        """Find a tip and show it; with a way to try again when there is none."""
        self._trouble.clear()
        try:
            self._check()
            tip = await find()
        except TipstreamError as problem:
            said = "Your answer is kept. The next tip cannot be fetched" if seq else "Your tip cannot be fetched"
            self._fail(said, problem, lambda: self._show(find, seq))
            return
        self._draw(tip)
        learned = await answers_learned(self._parts, self._user_id, seq)
        if learned is not None:
            self._learned.text = (
                f"Learned from {learned:,} of your answers." if learned else "Your first answer counts."
            )
        await asyncio.sleep(SETTLE_S)
        self._tip = tip
        self._rest(False)

    def _draw(self, tip: OwnTip) -> None:
        self._card.clear()
        with self._card:
            with ui.element("div").classes("tips-kind"):
                ui.icon(CATEGORY_ICONS.get(tip.category, "lightbulb")).props("aria-hidden=true")
                ui.label(tip.category.capitalize())
            heading(1, tip.title)
            ui.label(tip.body).classes("tips-body")
            with ui.element("div").classes("tips-facts"):
                minutes = "1 minute" if tip.minutes == 1 else f"{tip.minutes} minutes"
                for icon, fact in (("schedule", minutes), ("fitness_center", EFFORTS[tip.effort - 1])):
                    with ui.element("span").classes("line gap-1"):
                        ui.icon(icon).props("aria-hidden=true")
                        ui.label(fact)
            with ui.element("div").classes("tips-why"):
                ui.label("Why this one").classes("eyebrow")
                why = ui.label("…").classes("tips-reason")
        self._card.props["data-decision"] = tip.decision_id
        background_tasks.create(self._explain(tip, why), name="why this tip")

    async def _explain(self, tip: OwnTip, label: ui.label) -> None:
        try:
            said = await reason(self._parts, tip)
        except TipstreamError:
            said = ON_THE_WHOLE
        if not label.is_deleted:
            label.text = said

    def _fail(self, said: str, problem: TipstreamError, again: Callable[[], Awaitable[None]]) -> None:
        self._said.text = ""
        with self._trouble:
            notice(trouble(problem), tone="bad", title=said)
            ui.button("Try again", on_click=again, color="primary").props("unelevated").classes("tips-again")

    def _check(self) -> None:
        """The page outlives its link. Raises Problem once the link's time has passed."""
        if not self._visitor.may_stay(time()):
            raise Problem(401, "The link has expired", "Your link has expired; ask for a new one.")

    def _rest(self, resting: bool) -> None:
        """Whether presses are ignored; the buttons stay focusable, so that the keyboard does not lose its place."""
        self._busy = resting
        for button in self._buttons.values():
            button.props["aria-disabled"] = "true" if resting else "false"
            button.update()

    def _pressing(self, action: Action) -> Callable[[], Awaitable[None]]:
        return lambda: self._press(action)

    async def _key(self, event: KeyEventArguments) -> None:
        if event.action.keydown and not event.action.repeat and not (event.modifiers.ctrl or event.modifiers.meta):
            for action, (_, _, key, _) in ACTIONS.items():
                if event.key.name.lower() == key:
                    await self._press(action)
