"""The decision log: filters, a page of decisions, and the one that was opened."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from typing import Any, Literal

from nicegui import ui
from pydantic import ValidationError

from console.addresses import Address, url, user_url
from console.components.filters import choice_filter, text_filter
from console.components.notice import empty, notice
from console.components.panel import panel
from console.components.table import Column, Row, Table
from console.frame import Visit, page, title_of
from console.ids import shown_id
from console.moments import moment, reward, score
from console.pages.decision import show_decision
from console.reactions import tone_of, words_of
from contracts.errors import TipstreamError
from contracts.events.base import Position
from services.api.admin.decisions import DecisionPage, LogQuery, decisions
from services.api.admin.ladder import policies
from services.api.admin.tips import tips
from services.problems import Problem, fields_of

PATH = "/admin/recommendations"
REACTED = {"": "Any", "true": "Reacted", "false": "No reaction"}


@page(PATH, title="Recommendations", group="Learning", icon="recommend", order=1)
async def recommendations(
    visit: Visit,
    user: str = "",
    tip: str = "",
    policy: str = "",
    since: str = "",
    until: str = "",
    reacted: Literal["", "true", "false"] = "",
    before: Position | None = None,
    decision: str = "",
    candidate: str = "",
) -> None:
    """Who was shown what, and why."""
    filters = {
        "user": user, "tip": tip, "policy": policy, "since": since, "until": until, "reacted": reacted,
        "before": before,
    }  # fmt: skip
    if decision:
        ui.page_title(title_of("Recommendations", decision))
        ui.link("All decisions", url(PATH, **filters)).props('aria-label="Back to all decisions"')
        show_decision(visit, decision, Address(PATH, **filters, decision=decision, candidate=candidate))
        return
    Log(visit, Address(PATH, **filters)).build()


class Log:
    """The filter bar over a page of decisions; the address follows the filters."""

    def __init__(self, visit: Visit, address: Address) -> None:
        self._parts, self._address = visit.parts, address
        self._titles: dict[str, str] | None = None
        self._asked = 0

    def build(self) -> None:
        """Build the page; the decisions come as soon as the browser is there."""
        self._filters()
        with panel("Decisions", flush=True, note="the latest in the stream first; open one to see why"):
            self._table = Table(self._columns(), [], label="Decisions", on_choose=self._open, page_size=0)
            self._waiting = ui.element("div").classes("skeleton").style("height: 320px")
            self._said = ui.element("div").classes("w-full")
            self._pager = ui.element("div").classes("line apart").style("padding: 8px 16px")
        self._table.element.visible = False
        ui.timer(0, self.load, once=True)

    async def load(self) -> None:
        """Show the page of decisions that the address asks for."""
        self._asked += 1
        asked, trouble = self._asked, ""
        try:
            if self._titles is None:
                await self._know()
            found = await decisions(self._parts, self._query())
        except TipstreamError as problem:
            found, trouble = DecisionPage(decisions=[], next=None), str(problem)
        if asked == self._asked:
            self._show(found, trouble)

    def _show(self, found: DecisionPage, trouble: str) -> None:
        rows = [{**(row := one.model_dump(mode="json")), **self._worded(row)} for one in found.decisions]
        self._table.show(rows)
        self._table.element.visible, self._waiting.visible = bool(rows), False
        self._said.clear()
        with self._said:
            if trouble:
                notice(trouble, tone="bad", title="The decisions cannot be shown")
            elif not rows:
                self._nothing()
        self._pager.clear()
        with self._pager:
            values = self._address.values
            if values["before"]:
                ui.link("Newest", url(PATH, **values | {"before": None}))
            if found.next is not None:
                ui.link("Older", url(PATH, **values | {"before": found.next})).style("margin-left: auto")

    def _filters(self) -> None:
        values = self._address.values

        def follow(name: str) -> Callable[[str], Any]:
            return lambda value: self._follow(name, value)

        with ui.element("div").classes("line wrap end").props('role="search" aria-label="Filter decisions"'):
            text_filter("Person", values["user"], follow("user"), hint="id")
            self._tip = text_filter("Tip", values["tip"], follow("tip"), hint="id")
            now = {"": "All", values["policy"]: values["policy"] or "All"}
            self._policy = choice_filter("Policy", now, values["policy"], follow("policy"))
            text_filter("From", values["since"][:10], follow("since")).props("type=date")
            text_filter("To", values["until"][:10], follow("until")).props("type=date")
            choice_filter("Reaction", REACTED, values["reacted"], follow("reacted"))

    async def _know(self) -> None:
        """Take in the tips' titles and the policies' names, which the filters offer too."""
        catalog = await asyncio.to_thread(tips, self._parts)
        registry = await asyncio.to_thread(policies, self._parts)
        self._titles = {row["tip_id"]: row["title"] for row in catalog}
        self._tip.set_autocomplete(sorted(self._titles))
        names = dict.fromkeys([*(row["policy"] for row in registry), self._address.values["policy"]])
        self._policy.set_options({"": "All"} | {name: name for name in names if name})

    async def _follow(self, name: str, value: str) -> None:
        self._address.set(**{name: value, "before": None})
        await self.load()

    def _query(self) -> LogQuery:
        values = self._address.values
        asked = {
            "user_id": values["user"], "tip_id": values["tip"], "policy": values["policy"],
            "since": _begin(values["since"]), "until": _end(values["until"]), "reacted": values["reacted"],
            "before": values["before"],
        }  # fmt: skip
        try:
            return LogQuery.model_validate({name: value for name, value in asked.items() if value})
        except ValidationError as error:
            raise Problem.invalid(fields_of(error)) from None

    def _worded(self, row: Row) -> Row:
        said = words_of(row["verdict"], row["outcome"]) or "none yet"
        return {"tip": (self._titles or {}).get(row["tip_id"], row["tip_id"]), "reaction": said}

    def _nothing(self) -> None:
        if any(self._address.values.values()):
            empty("No such decision", "Nothing in the log fits these filters.", link="Show all", target=PATH)
            return
        # Anybody's tips page is open in a demo only.
        demo = self._parts.settings.demo == "on"
        empty(
            "No decisions yet", "A decision is logged for every recommendation that is asked for.",
            link="Ask for one on the tips page" if demo else "See how to ask for one", target="/" if demo else "/docs",
        )  # fmt: skip

    def _columns(self) -> list[Column]:
        return [
            Column("occurred_at", "Time", "time", show=moment, link=self._address_of, sortable=False),
            Column("user_id", "Person", "id", show=shown_id, link=lambda row: user_url(row["user_id"]), sortable=False),
            Column("tip", "Tip", sortable=False),
            Column("policy", "Policy", sortable=False),
            Column("score", "Score", "number", show=score, sortable=False),
            Column("propensity", "Propensity", "number", show=score, sortable=False),
            Column("reaction", "Reaction", "chip", tone=lambda row: tone_of(row["reward"]), sortable=False),
            Column("reward", "Reward", "number", show=reward, sortable=False),
        ]

    def _address_of(self, row: Row) -> str:
        return url(PATH, **self._address.values, decision=row["decision_id"])

    def _open(self, row: Row) -> None:
        ui.navigate.to(self._address_of(row))


def _begin(text: str) -> str:
    """A day's first moment; anything else stays as it is, and is checked as a moment."""
    return f"{text}T00:00:00Z" if len(text) == 10 else text


def _end(text: str) -> str:
    """The first moment after a day, so that the day counts."""
    with suppress(ValueError):
        return f"{date.fromisoformat(text) + timedelta(days=1)}T00:00:00Z"
    return text
