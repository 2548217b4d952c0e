"""Accounts: who may come in and as what, keys for programs, and what each role may do."""

from asyncio import to_thread
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from nicegui import ui
from pydantic import SecretStr

from console.components.confirm import answer_of, confirm
from console.components.filters import choice_filter
from console.components.notice import empty, notice
from console.components.panel import icon_button, panel
from console.components.table import Column, Row, Table
from console.frame import Visit, page
from console.moments import day
from contracts.times import SECOND_US, format_time
from services.accounts.accounts import ADMIN
from services.accounts.passwords import SHORTEST
from services.accounts.roles import ALLOWS, PERMISSIONS, ROLES, Role
from services.api.admin.accounts import (
    AccountChange,
    AccountToAdd,
    KeyMade,
    KeyToMake,
    accounts,
    add_account,
    change_account,
    keys,
    make_key,
    remove_account,
    revoke_key,
)
from services.problems import Problem

LASTS = {"30": "30 days", "90": "90 days", "365": "a year", "": "for ever"}
ROLE_CHOICE: dict[str, str] = {role: role for role in ROLES}


def _since(seconds: int) -> str:
    return day(format_time(seconds * SECOND_US))


@page("/admin/accounts", title="Accounts", group="System", icon="key", order=2)
async def accounts_page(visit: Visit) -> None:
    """Everybody sees their own keys and what roles may do; administrators see and change all."""
    if visit.may("administer"):
        _Accounts(visit)
    _Keys(visit)
    with panel(
        "What each role may do", note="A key may do what both its scopes and its account's role allow.", flush=True
    ):
        Table(
            (
                Column("permission", "Permission", "id"),
                Column("allows", "Allows"),
                *(Column(role, role) for role in ROLES),
            ),
            [
                {"permission": permission, "allows": words}
                | {role: "yes" if permission in allowed else "–" for role, allowed in ROLES.items()}
                for permission, words in ALLOWS.items()
            ],
            label="Roles and permissions",
        )


class _Accounts:
    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        columns = (
            Column("name", "Name", "id"), Column("role", "Role"), Column("may", "May"),
            Column("created_at", "Since", "time", show=_since), Column("change", "", "action", sortable=False),
            Column("remove", "", "action", sortable=False),
        )  # fmt: skip
        with panel(
            "Accounts", note=f"{ADMIN} is the operator's own; its password is set outside.", flush=True
        ) as found:
            self._table = Table(columns, (), label="Accounts", on_act=self._act)
        with found.actions:
            ui.button("Add an account", icon="person_add", on_click=self._add, color="primary").props("unelevated")
        ui.timer(0, self._show, once=True)

    async def _show(self) -> None:
        self._table.show(
            [
                {
                    "name": one.name, "role": one.role, "created_at": one.created_at,
                    "may": ", ".join(name for name in PERMISSIONS if name in one.permissions),
                    "change": one.name != ADMIN and "Change", "remove": one.name != ADMIN and "Remove",
                }
                for one in await to_thread(accounts, self._visit.parts)
            ]
        )  # fmt: skip

    async def _act(self, row: Row, action: str) -> None:
        await (self._change(row) if action == "change" else self._remove(row["name"]))

    async def _add(self) -> None:
        async def add(name: str, password: str, role: Role) -> str:
            await self._visit.check("administer")
            order = AccountToAdd(name=name, password=SecretStr(password), role=role)
            await to_thread(add_account, self._visit.parts, order)
            return f"{name} may log in as {role}"

        await _ask("Add an account", "Add", add, name="", role="viewer")
        await self._show()

    async def _change(self, row: Row) -> None:
        async def change(name: str, password: str, role: Role) -> str:
            await self._visit.check("administer")
            order = AccountChange(password=SecretStr(password) if password else None, role=role)
            await to_thread(change_account, self._visit.parts, name, order)
            return f"{name} is {role}" + (" and has another password" if password else "")

        await _ask(f"Change {row['name']}", "Change", change, name=row["name"], role=row["role"])
        await self._show()

    async def _remove(self, name: str) -> None:
        said = "Sessions and keys of this account end at once."
        if await confirm(f"Remove {name}?", said, action="Remove", typed=name, danger=True):
            await self._visit.check("administer")
            await to_thread(remove_account, self._visit.parts, name)
            ui.notify(f"{name} is removed")
            await self._show()


async def _ask(
    title: str, action: str, act: Callable[[str, str, Role], Awaitable[str]], *, name: str, role: Role
) -> None:
    """Have `act` done with a name, a password (empty: as it was) and a role, and say what it says was done.

    What is refused is said in the dialogue, which keeps what was typed.
    """

    async def agree() -> None:
        try:
            done = await act((called.value or "").strip(), secret.value or "", chosen.value)
        except Problem as problem:
            refused.set_text(str(problem))
            refused.visible = True
        else:
            dialog.submit(True)
            ui.notify(done)

    with ui.dialog() as dialog, ui.card().classes("stack").style("max-width: 420px; width: 100%"):
        dialog.props["aria-label"] = title
        ui.label(title).style("font-weight: 600; font-size: 16px")
        called = ui.input("Name", value=name).props("outlined autocomplete=off").classes("w-full")
        called.visible = not name
        secret = ui.input("New password" if name else "Password", password=True, password_toggle_button=True)
        hint = f"at least {SHORTEST} characters" + ("; empty leaves it as it is" if name else "")
        secret.props("outlined autocomplete=new-password").classes("w-full").props["hint"] = hint
        chosen = ui.select(ROLE_CHOICE, value=role, label="Role").props("outlined").classes("w-full")
        refused = ui.label("").classes("tone-bad break").props('role="alert"')
        refused.visible = False
        with ui.element("div").classes("line w-full").style("justify-content: flex-end"):
            ui.button("Cancel", on_click=lambda: dialog.submit(False), color=None).props("flat")
            ui.button(action, on_click=agree, color="primary").props("unelevated")
    await answer_of(dialog)


class _Keys:
    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        columns = (
            Column("label", "Label"), Column("name", "Account", "id"), Column("may", "May"),
            Column("created_at", "Made", "time", show=_since), Column("expires_at", "Expires", "time", show=_since),
            Column("key_id", "Key", "id"), Column("revoke", "", "action", sortable=False),
        )  # fmt: skip
        whose = "All accounts' keys." if visit.may("administer") else "Your own keys."
        note = f"{whose} Programs send one as Authorization: Bearer <key>, to routes and to remote SQL alike."
        with panel("Keys", note=note, flush=True) as found:
            self._made = ui.element("div").classes("w-full")
            self._table = Table(columns, (), label="Keys", on_act=lambda row, _: self._revoke(row))
            self._nothing = ui.element("div").classes("w-full")
            with self._nothing:
                empty("No keys", "A program needs one: make it, and copy it at once.", icon="key_off")
        with found.actions:
            ui.button("Make a key", icon="add", on_click=self._ask, color="primary").props("unelevated")
        ui.timer(0, self._show, once=True)

    async def _show(self) -> None:
        found = await to_thread(keys, self._visit.parts, self._visit.identity)
        self._table.show([one.model_dump() | {"may": ", ".join(one.scopes), "revoke": "Revoke"} for one in found])
        self._table.element.visible, self._nothing.visible = bool(found), not found

    async def _ask(self) -> None:
        visit = self._visit
        names = [one.name for one in await to_thread(accounts, visit.parts)] if visit.may("administer") else []
        with ui.dialog() as dialog, ui.card().classes("stack").style("max-width: 420px; width: 100%"):
            dialog.props["aria-label"] = "Make a key"
            ui.label("Make a key").style("font-weight: 600; font-size: 16px")
            label = ui.input("What it is for").props("outlined maxlength=200").classes("w-full")
            owner = ui.select(names or [visit.actor], value=visit.actor, label="Account").props("outlined")
            owner.classes("w-full").visible = bool(names)
            scopes = [scope for scope in PERMISSIONS if visit.may(scope)]
            boxes = {scope: ui.checkbox(f"{scope}: {ALLOWS[scope]}", value=scope == "view") for scope in scopes}
            boxes["view"].disable()
            lasts = choice_filter("Lasts", LASTS, "90", lambda _: None)
            with ui.element("div").classes("line w-full").style("justify-content: flex-end"):
                ui.button("Cancel", on_click=lambda: dialog.submit(False), color=None).props("flat")
                ui.button("Make it", on_click=lambda: dialog.submit(True), color="primary").props("unelevated")
        agreed = bool(await answer_of(dialog))
        if agreed:
            identity = await visit.check("view")
            until = (datetime.now(UTC) + timedelta(days=int(lasts.value))).isoformat() if lasts.value else None
            wanted = [scope for scope, box in boxes.items() if box.value]
            asked = {"label": label.value or "", "scopes": wanted, "name": owner.value, "expires_at": until}
            order = KeyToMake.model_validate(asked)
            self._tell(await to_thread(make_key, visit.parts, order, identity))
            await self._show()

    def _tell(self, made: KeyMade) -> None:
        """Show the secret, this once."""
        self._made.clear()
        with self._made, ui.element("div").style("padding: 12px 16px"):
            notice("Copy it now: it is not shown again.", tone="good", title=f"The key “{made.label}” of {made.name}")
            with ui.element("div").classes("line w-full"):
                ui.label(made.token).classes("mono break grow").props('aria-label="The new key"')
                icon_button("content_copy", "Copy the key", lambda: ui.clipboard.write(made.token))

    async def _revoke(self, row: Row) -> None:
        said = f"Whatever uses “{row['label']}” of {row['name']} is refused at once."
        if await confirm("Revoke this key?", said, action="Revoke", danger=True):
            identity = await self._visit.check("view")
            await to_thread(revoke_key, self._visit.parts, row["key_id"], identity)
            ui.notify(f"The key “{row['label']}” opens nothing any more")
            await self._show()
