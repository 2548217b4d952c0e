"""Beside the editor: the queries that somebody keeps, and what they ran before."""

import asyncio
from typing import Any, Protocol

from nicegui import run, ui

from console.addresses import url
from console.components.confirm import answer_of, confirm
from console.components.filters import toggle
from console.components.notice import chip, empty
from console.components.panel import icon_button, panel
from console.frame import Visit
from console.moments import amount, clock
from services.api.admin.commands import Commanded
from services.api.admin.saved_queries import (
    QueryChange,
    QueryToSave,
    change_query,
    delete_query,
    may_change,
    save_query,
    saved_queries,
)
from services.api.admin.sql import Executed, history

FOLDED_S, FOLLOWS_S, LATEST = 5.0, 1.0, 30
CATALOG = "SELECT schema_name, sql, 'table' FROM duckdb_tables()"
TONES = {"ok": "good", "failed": "bad", "refused": "warn", "timed_out": "bad", "ended": "bad"}


class Desk(Protocol):
    """The page, as far as these parts know it."""

    visit: Visit

    def load(self, text: str, kept: dict[str, Any] | None = None) -> None: ...


class Saved:
    """Kept queries: one's own, or everybody's."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._everyone = desk, False
        with panel("Saved queries") as self._panel:
            with self._panel.actions:
                toggle({False: "Mine", True: "All"}, False, self._switch, label="Whose queries")
            self._list = ui.element("div").classes("w-full stack tight")

    async def show(self) -> None:
        """Read them again."""
        visit = self._desk.visit
        owner = None if self._everyone else visit.actor
        rows = await run.io_bound(saved_queries, visit.parts, owner) or []
        self._list.clear()
        with self._list:
            if not rows:
                empty("No queries yet", "Save keeps the statement under a name.", icon="bookmark_border")
            for row in rows:
                self._line(row)

    async def save(self, text: str, kept: dict[str, Any] | None) -> None:
        """Keep a statement: under a new name, or as the new text of the query it came from."""
        visit = self._desk.visit
        mine = kept if kept and may_change(kept, visit.identity) else None
        name = await _ask_name("Save this query", kept["name"] if kept else "")
        if not name:
            return
        await visit.check("sql")
        same = mine["query_id"] if mine and mine["name"] == name else None
        done = await save_query(visit.parts, QueryToSave(name=name, sql=text, query_id=same), visit.identity)
        await self._followed(done)
        row = {
            "query_id": done.query_id,
            "name": name,
            "sql": text,
            "owner": mine["owner"] if same and mine else visit.actor,
        }
        self._desk.load(text, row)
        ui.notify(f"Saved as {name}.")

    def _line(self, row: dict[str, Any]) -> None:
        visit = self._desk.visit
        with ui.element("div").classes("line w-full"):
            with ui.element("button").classes("sql-column grow").props("type=button") as load:
                ui.label(row["name"]).classes("ellipsis")
                if row["owner"] != visit.actor:
                    ui.label(row["owner"]).classes("small muted")
            load.on("click", lambda: self._desk.load(row["sql"], row))
            icon_button("link", f"Copy a link to {row['name']}", lambda: self._share(row))
            if may_change(row, visit.identity):
                icon_button("edit", f"Rename {row['name']}", lambda: self._rename(row))
                icon_button("delete", f"Delete {row['name']}", lambda: self._delete(row))

    def _share(self, row: dict[str, Any]) -> None:
        base = str(self._desk.visit.request.base_url).rstrip("/")
        ui.clipboard.write(base + url("/admin/sql", query=row["query_id"]))
        ui.notify("The link is copied.")

    async def _rename(self, row: dict[str, Any]) -> None:
        name = await _ask_name("Rename this query", row["name"])
        if name and name != row["name"]:
            visit = self._desk.visit
            await visit.check("sql")
            change = QueryChange(name=name)
            await self._followed(await change_query(visit.parts, row["query_id"], change, visit.identity))

    async def _delete(self, row: dict[str, Any]) -> None:
        text = f"{row['name']} goes for everybody who has its link; the log keeps that it was there."
        if await confirm("Delete this query", text, action="Delete", danger=True):
            visit = self._desk.visit
            await visit.check("sql")
            await self._followed(await delete_query(visit.parts, row["query_id"], visit.identity))

    async def _switch(self, everyone: bool) -> None:
        self._everyone = everyone
        await self.show()

    async def _followed(self, done: Commanded) -> None:
        """Show the list once the read model knows of the change."""
        end = asyncio.get_running_loop().time() + FOLDED_S
        while (await run.io_bound(self._desk.visit.parts.read_model.seq) or 0) < done.seq:
            if asyncio.get_running_loop().time() > end:
                ui.notify("It stands in the log; the list follows in a moment.")
                break
            await asyncio.sleep(0.05)
        await self.show()


class History:
    """The latest statements that somebody ran in the console or remotely."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        with panel("History", note="what you ran, here and remotely") as self._panel:
            self._list = ui.element("div").classes("w-full stack tight")

    def show_soon(self) -> None:
        """Read it again once the read model should know of what just ran."""
        # The timer stands in the panel: a button that ran a statement may be gone by then, and all made in its place.
        with self._panel.body:
            ui.timer(FOLLOWS_S, self.show, once=True)

    async def show(self) -> None:
        """Read it again."""
        visit = self._desk.visit
        found = await run.io_bound(history, visit.parts, visit.actor, None, 2 * LATEST) or []
        rows = [row for row in found if not asked_by_client(row)][:LATEST]
        self._list.clear()
        with self._list:
            if not rows:
                empty("Nothing yet", "Every statement stands here, failed ones too.", icon="history")
            for row in rows:
                with ui.element("button").classes("sql-column w-full").props("type=button") as load:
                    ui.label(" ".join(row.sql.split())[:200]).classes("mono ellipsis grow")
                    ui.label(clock(row.occurred_at.isoformat())[:5]).classes("small muted")
                    if row.outcome != "ok":
                        chip(row.outcome.replace("_", " "), TONES[row.outcome])  # type: ignore[arg-type]
                load.props["title"] = row.error or f"{amount(row.rows or 0, 'rows')} · {row.duration_us / 1000:,.0f} ms"
                load.on("click", lambda row=row: self._desk.load(row.sql))


def asked_by_client(row: Executed) -> bool:
    """Whether DuckDB's client asked this by itself: it reads the catalog again and again, always in the same words."""
    return row.door == "quack" and row.sql.startswith(CATALOG)


async def _ask_name(title: str, name: str) -> str:
    """A name, or nothing when somebody thought better of it."""
    with ui.dialog() as dialog, ui.card().classes("stack").style("min-width: min(420px, 90vw)"):
        ui.label(title).style("font-weight: 600; font-size: 16px")
        field = ui.input("Name", value=name).props("outlined dense autofocus maxlength=200").classes("w-full")
        field.on("keydown.enter", lambda: dialog.submit(field.value))
        with ui.element("div").classes("line w-full").style("justify-content: flex-end"):
            ui.button("Cancel", on_click=lambda: dialog.submit(""), color=None).props("flat")
            ui.button("Save name", on_click=lambda: dialog.submit(field.value)).props("unelevated")
    return str(await answer_of(dialog) or "").strip()
