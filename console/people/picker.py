"""Choosing a person by their id or a part of it, and what is said of an id that nobody has."""

from asyncio import to_thread
from collections.abc import Mapping
from typing import Any

from nicegui import ui

from console.addresses import url
from console.components.filters import text_filter
from console.components.later import later
from console.components.notice import empty
from console.components.panel import panel
from console.components.table import Column, Row, Table
from console.frame import Visit
from console.ids import shown_id
from console.moments import count, moment
from services.api.admin.users import users
from services.api.parts import Parts

FOUND = 12
# Enter comes before the field's text, which waits for the last key.
ENTERED = "(event) => emit(event.target.value)"


async def seen(visit: Visit, user_id: str) -> bool:
    """Whether anybody of that id was seen; of nobody the page says so."""
    if await to_thread(visit.parts.read_model.user, user_id) is not None:
        return True
    empty(
        "Nobody of that id", "Nobody of that id was seen in the stream.",
        link="Search", target=url("/admin/users", search=user_id[:100]), icon="person_search",
    )  # fmt: skip
    return False


def meant(parts: Parts, text: str) -> str | None:
    """Whom a text can only mean: who has that id, or else the only one whose id holds it."""
    if parts.read_model.user(text) is not None:
        return text
    found = users(parts, search=text, limit=2)
    return str(found[0]["user_id"]) if len(found) == 1 else None


class Picker:
    """A field that finds people for the page at `path`, and whom it finds below; Enter opens whom it can only mean."""

    def __init__(self, visit: Visit, path: str, user: str) -> None:
        self._parts, self._watch, self._path, self._user = visit.parts, visit.watch, path, user

    def build(self, links: Mapping[str, str], *, latest: bool = True) -> None:
        """The field, beside it `links` while somebody is chosen; else the people seen last below it with `latest`."""
        with ui.element("div").classes("line wrap end"):
            field = text_filter("Person", self._user, self._find, hint="an id, or a part of one")
            field.on("keydown.enter", lambda event: self._open(event.args or ""), js_handler=ENTERED)
            ui.button("Show", on_click=lambda: self._open(field.value or ""), color=None).props("outline")
            for words, target in links.items() if self._user else ():
                ui.link(words, target).style("line-height: 34px")
        self._at_first = latest and not self._user
        self._found = ui.element("div").classes("w-full")
        self._found.visible = self._at_first
        if self._at_first:
            with self._found:
                later(self._watch, self._latest, 320)

    async def _open(self, text: str) -> None:
        user = await to_thread(meant, self._parts, text) if text else ""
        if user is None:
            await self._show(text)
        else:
            ui.navigate.to(url(self._path, user=user))

    async def _find(self, text: str) -> None:
        if text == self._user or not (text or self._at_first):
            self._found.visible = False
        else:
            await self._show(text)

    async def _show(self, text: str) -> None:
        people = await self._people(text)
        self._found.clear()
        self._found.visible = True
        with self._found:
            self._list(people, text)

    async def _latest(self) -> None:
        self._list(await self._people(""), "")

    async def _people(self, text: str) -> list[dict[str, Any]]:
        return await to_thread(users, self._parts, search=text or None, limit=FOUND)

    def _list(self, people: list[dict[str, Any]], text: str) -> None:
        def address(row: Row) -> str:
            return url(self._path, user=row["user_id"])

        columns = [
            Column("user_id", "Person", "id", show=shown_id, link=address),
            Column("decisions", "Decisions", "number", show=count),
            Column("last_seen", "Last seen", "time", show=moment),
        ]
        with panel("People found" if text else "People seen last", flush=True):
            if people:
                Table(columns, people, label="People", page_size=0, on_choose=lambda row: ui.navigate.to(address(row)))
            elif text:
                empty("Nobody found", "No id begins so, and of those seen lately none holds it.", icon="person_search")
            else:
                empty(
                    "Nobody was seen yet", "People appear with their first event.",
                    link="See how to publish one", target="/docs", icon="person_search",
                )  # fmt: skip
