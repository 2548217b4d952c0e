"""Events: the stream as it comes, filtered, held still at a touch, and any one event opened beside it."""

from asyncio import Task
from contextlib import aclosing
from time import monotonic

from nicegui import background_tasks, ui

from console.addresses import Address
from console.components.filters import text_filter
from console.components.inspector import inspector
from console.components.notice import empty, notice
from console.components.outage import silence
from console.components.panel import icon_button
from console.components.tail import Tail
from console.frame import Visit, page
from contracts.events.base import Position
from services.api.admin.events import EventDetail, event, json_lines, wanted_by
from services.api.sightings import Wanted
from services.problems import Problem

CHECK_S = 5.0
AREAS = ("feedback", "signal", "scored", "shadow", "catalog", "admin")


@page("/admin/events", title="Events", group="Live", icon="bolt", order=1)
async def events(visit: Visit, subject: str = "", user: str = "", seq: Position | None = None) -> None:
    """`subject` is a pattern with NATS wildcards, `seq` the event that is opened."""
    board = Board(visit, Address("/admin/events", subject=subject, user=user, seq=seq))
    board.watch()
    if seq is not None:
        await board.open(seq)


class Board:
    """The list, its filters and the event beside it, for one visit."""

    def __init__(self, visit: Visit, address: Address) -> None:
        self._visit, self._address = visit, address
        self._wanted = Wanted()
        self._following: Task[None] | None = None
        self._paused = False
        with ui.element("div").classes("line wrap tail-bar"):
            self._subject = text_filter("Subject", address.values["subject"], self._by_subject, hint="tips.feedback.>")
            self._subject.props("hide-bottom-space").validation = _complaint
            self._subject.set_autocomplete([f"tips.{area}.>" for area in AREAS])
            self._user = text_filter("User", address.values["user"], self._by_user, hint="any")
            self._pause = ui.button("Pause", icon="pause", on_click=self._toggle, color=None)
            self._pause.props('outline aria-pressed=false title="Pause (p)"')
            icon_button("download", "Download what is shown as JSON lines", self._download)
            ui.element("div").classes("grow")
            self._status = ui.label("connecting").classes("mono muted").props("role=status aria-live=off")
        with ui.element("div").classes("tail-page"):
            self._tail = Tail(
                on_pick=self.open,
                on_leave=self._close,
                on_pause=self._toggle,
                on_search=lambda: self._subject.run_method("focus"),
            )
            with self._tail:
                empty("No such events", "Nothing among the last 500 events matches. New ones appear by themselves.",
                      link="Show all events", target="/admin/events", icon="bolt")  # fmt: skip
            self._side = ui.element("aside").classes("panel tail-side").props('aria-label="Event"')
            self._side.visible = False
        ui.context.client.on_delete(self._leave)

    def watch(self) -> None:
        """Follow what the filters let through, from the ring on; with a pattern that is none, what was followed."""
        values = self._address.values
        if _complaint(values["subject"]) is not None:
            self._status.text = "no such pattern"
            return
        self._wanted = wanted_by(values["subject"] or None, values["user"] or None)
        self._leave()
        self._following = background_tasks.create(self._follow(self._wanted), context=ui.context.client)

    async def open(self, seq: int) -> None:
        """Show an event beside the list."""
        self._address.set(seq=seq)
        self._tail.choose(seq)
        self._side.visible = True
        found: EventDetail | Problem
        try:
            found = await event(self._visit.parts, seq)
        except Problem as problem:
            found = problem
        if self._address.values["seq"] != seq:
            return
        self._side.clear()
        with self._side:
            if isinstance(found, EventDetail):
                inspector(found, on_close=self._close, on_open=self.open)
            else:
                notice(found.detail, tone="bad", title=found.title)
                ui.button("Close", on_click=self._close, color=None).props("outline")

    async def _follow(self, wanted: Wanted) -> None:
        ring, renew, checked = self._visit.parts.ring, True, monotonic()
        async with aclosing(ring.follow(wanted)) as batches:
            async for batch in batches:
                if monotonic() - checked > CHECK_S:
                    checked = monotonic()
                    await self._may_view()
                if batch.sightings or batch.renewed or renew:
                    await self._tail.push(batch, renew=renew)
                    renew = False
                # Without the stream nothing is known of a rate: none a second would sound as if all were calm.
                rate = "no answer" if silence(self._visit.watch) else f"{ring.events_per_s:,.0f} events/s"
                self._status.text = f"{rate} · {ring.seq:,} in all"

    async def _may_view(self) -> None:
        """Raises Problem; what is said of it goes after a while, and a list that stands still looks as if it lived."""
        try:
            await self._visit.check("view")
        except Problem:
            self._status.text = "not followed any more: log in again"
            raise

    def _by_subject(self, pattern: str) -> None:
        self._address.set(subject=pattern.strip())
        self.watch()

    def _by_user(self, user_id: str) -> None:
        self._address.set(user=user_id)
        self.watch()

    def _toggle(self) -> None:
        self._paused = not self._paused
        self._tail.pause(self._paused)
        self._pause.text, self._pause.icon = ("Go on", "play_arrow") if self._paused else ("Pause", "pause")
        self._pause.props["aria-pressed"] = str(self._paused).lower()

    def _close(self) -> None:
        self._side.visible = False
        self._address.set(seq=None)
        self._tail.choose(None)

    def _download(self) -> None:
        ui.download.content(json_lines(self._visit.parts, self._wanted), "events.jsonl", "application/x-ndjson")

    def _leave(self) -> None:
        if self._following is not None:
            self._following.cancel()


def _complaint(pattern: str | None) -> str | None:
    """What is wrong with a subject pattern, None when nothing is."""
    try:
        wanted_by((pattern or "").strip() or None, None)
    except Problem as problem:
        return problem.detail.removeprefix("subject: ")
    return None
