"""The history of admin actions: filtered, paged, and each opened to its body."""

import asyncio
from contextlib import suppress
from typing import Any

from nicegui import ui

from console.addresses import Address, event_url
from console.components.filters import choice_filter, text_filter
from console.components.json import json_view
from console.components.notice import Tone, empty, notice
from console.components.panel import panel
from console.components.table import Column, Row, Table
from console.frame import Visit
from console.moments import moment
from contracts.subjects import BadSubject, decode_id
from services.api.admin.actions import TYPES, actors, history
from services.bus.errors import BusUnavailable, RequestFailed

PREFIX = "tipstream."
PAGE = 25
LOOKS, LOOK_S = 25, 0.2
TONES: dict[str, Tone] = {
    "done": "good", "ok": "good", "erased": "good", "running": "accent", "different": "bad", "failed": "bad",
    "refused": "warn", "timed_out": "warn", "ended": "warn",
}  # fmt: skip
COLUMNS = (
    Column("recorded_at", "When", "time", show=moment),
    Column("actor", "Who"),
    Column("what", "What"),
    Column("subject", "About", "id", show=lambda subject: _about(subject)),
    Column("reason", "Reason"),
    Column("result", "Result", "chip", tone=lambda row: TONES.get(row["result"], "")),
    Column("seq", "Event", "number", link=lambda row: event_url(row["seq"])),
)


class Actions:
    """The list under its filters; `newest` shows it from the top again."""

    def __init__(self, visit: Visit, address: Address) -> None:
        self._visit, self._address = visit, address
        self._rows: list[dict[str, Any]] = []
        values = address.values
        kinds = {"": "every type"} | {kind: _short(kind) for kind in TYPES}
        with panel("History of admin actions", note="Every change is a signed event of the stream.", flush=True):
            with ui.element("div").classes("line wrap end").style("padding: 12px 16px"):
                self._actor = choice_filter("Who", {"": "everybody"}, "", lambda value: self._filter(actor=value))
                kind = values["type"] if values["type"] in kinds else ""
                choice_filter("What", kinds, kind, lambda value: self._filter(type=value))
                text_filter(
                    "Text", values["text"], lambda value: self._filter(text=value), hint="in subject, reason, body"
                )
                box = ui.checkbox("SQL statements too", value=values["statements"])
                box.on_value_change(lambda event: self._filter(statements=event.value))
            self._table = Table(COLUMNS, (), label="Admin actions", on_choose=self._open, page_size=0)
            self._nothing = ui.element("div").classes("w-full")
            with ui.element("div").classes("line").style("padding: 8px 16px"):
                self._newest = ui.button("Newest", on_click=self.newest, color=None).props("outline")
                self._older = ui.button("Older", on_click=self._page, color=None).props("outline")
        self._body = ui.element("div").classes("w-full")
        self._newest.visible = self._older.visible = False
        ui.timer(0, self._begin, once=True)

    async def newest(self, seq: int = 0) -> None:
        """Read from the latest action on, once the history holds event `seq`: it is folded beside the read model."""
        self._address.set(before=None)
        for _ in range(LOOKS if seq else 0):
            with suppress(BusUnavailable, RequestFailed):
                latest = await history(self._visit.parts, limit=1)
                if latest and latest[0]["seq"] >= seq:
                    break
            await asyncio.sleep(LOOK_S)
        await self._show()

    async def _begin(self) -> None:
        await self._show()
        await self._offer_actors()

    async def _offer_actors(self) -> None:
        try:
            found = {row["actor"]: f"{row['actor']} ({row['actions']:,})" for row in await actors(self._visit.parts)}
        except (BusUnavailable, RequestFailed):
            return
        chosen = self._address.values["actor"]
        self._actor.set_options({"": "everybody"} | ({chosen: chosen} if chosen else {}) | found, value=chosen)

    async def _filter(self, **changes: Any) -> None:
        if any(self._address.values[name] != value for name, value in changes.items()):
            self._address.set(before=None, **changes)
            await self._show()

    async def _page(self) -> None:
        self._address.set(before=self._rows[-1]["seq"])
        await self._show()

    async def _show(self) -> None:
        values = self._address.values
        self._nothing.clear()
        try:
            self._rows = await history(
                self._visit.parts, actor=values["actor"], kind=values["type"], text=values["text"],
                statements=values["statements"] or values["type"] == f"{PREFIX}sql.executed",
                before=values["before"], limit=PAGE + 1,
            )  # fmt: skip
        except (BusUnavailable, RequestFailed) as problem:
            self._rows = []
            with self._nothing:
                notice(str(problem), tone="bad", title="The history cannot be read now")
        else:
            if not self._rows:
                with self._nothing:
                    empty("No such action", "Nothing matches these filters.", link="Show all", target="/admin/ops")
        self._older.visible, self._rows = len(self._rows) > PAGE, self._rows[:PAGE]
        self._newest.visible = values["before"] is not None
        self._table.show([row | {"what": _short(row["type"]).rpartition(".v")[0]} for row in self._rows])
        self._table.element.visible = bool(self._rows)

    def _open(self, row: Row) -> None:
        self._body.clear()
        with (
            self._body,
            panel(f"Event {row['seq']}: {row['what']}", note=f"{row['actor']}, {moment(row['recorded_at'])}"),
        ):
            json_view(row["body"], label=f"Body of event {row['seq']}")
            ui.link("Open it among the events", event_url(row["seq"]))


def _about(subject: str) -> str:
    """A subject with its ids as they were given, which stand encoded in it."""
    tokens = subject.removeprefix("tips.").split(".")
    try:
        return ".".join(map(decode_id, tokens))
    except BadSubject:
        return ".".join(tokens)


def _short(kind: str) -> str:
    return kind.removeprefix(PREFIX)
