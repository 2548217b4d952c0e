"""Users: everybody who was seen, searched by their id, and the page of one person."""

from asyncio import to_thread
from typing import Any

from nicegui import ui

from console.addresses import Address, url, user_url
from console.components.filters import text_filter
from console.components.notice import empty
from console.components.panel import panel
from console.components.table import Column, Table
from console.frame import Visit, page, title_of
from console.ids import shown_id
from console.moments import count, moment
from console.people.person import show_person
from contracts.events.base import Count
from contracts.subjects import MAX_ID_CHARS
from services.api.admin.users import users

PAGE = 50
COLUMNS = (
    Column("user_id", "User", "id", show=shown_id, link=lambda row: user_url(row["user_id"])),
    Column("decisions", "Decisions", "number", show=count),
    Column("feedback", "Feedback", "number", show=count),
    Column("signals", "Signals", "number", show=count),
    Column("first_seen", "Heard of since", "time", show=moment),
    Column("last_seen", "Last seen", "time", show=moment),
)


@page("/admin/users", title="Users", group="Data", icon="group", order=1)
async def users_page(visit: Visit, user: str = "", search: str = "", offset: Count = 0) -> None:
    """With `user` the page of that person, else people by `search`, `offset` of them passed over."""
    if user:
        ui.page_title(title_of("Users", user))
        await show_person(visit, user)
    else:
        _People(visit, Address("/admin/users", search=search, offset=offset))


class _People:
    def __init__(self, visit: Visit, address: Address) -> None:
        self._visit, self._address = visit, address
        field = text_filter("Search", address.values["search"], self._search, hint="how an id begins, or a part of it")
        field.props(f"maxlength={MAX_ID_CHARS}").style("width: min(100%, 420px)")
        with panel("People", note="The latest seen first.", flush=True):
            self._table = Table(COLUMNS, (), label="People", page_size=0)
            self._nothing = ui.element("div").classes("w-full")
            with ui.element("div").classes("line").style("padding: 8px 16px"):
                self._newer, self._older = ui.link("Newer"), ui.link("Older").style("margin-left: auto")
        self._newer.visible = self._older.visible = False
        ui.timer(0, self._show, once=True)

    async def _search(self, text: str) -> None:
        if text != self._address.values["search"]:
            self._address.set(search=text, offset=0)
            await self._show()

    async def _show(self) -> None:
        search, offset = self._address.values["search"], self._address.values["offset"]

        def read() -> list[dict[str, Any]]:
            return users(self._visit.parts, search=search, limit=PAGE + 1, offset=offset)

        rows = await to_thread(read)
        self._table.show(rows[:PAGE])
        self._table.element.visible = bool(rows)
        self._older.visible, self._newer.visible = len(rows) > PAGE, offset > 0
        # Links, so that the browser's Back goes to the page before.
        for link, beyond in ((self._newer, offset - PAGE), (self._older, offset + PAGE)):
            link.props["href"] = url("/admin/users", search=search, offset=max(beyond, 0) or None)
        self._nothing.clear()
        if not rows:
            with self._nothing:
                if search:
                    empty("Nobody found", "No id begins so, and of those seen lately none holds it.",
                          link="Show everybody", target="/admin/users", icon="person_search")  # fmt: skip
                else:
                    empty("Nobody yet", "People appear with their first signal, tip or feedback.",
                          link="Watch the events", target="/admin/events", icon="group")  # fmt: skip
