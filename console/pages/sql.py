"""SQL: write a statement, see its answer as a table or chart, take it away, keep it, and find it again."""

import asyncio
from typing import Any

from nicegui import background_tasks, run, ui

from console.addresses import Address, url
from console.components.notice import chip, empty, notice
from console.components.outage import HEALTH, unless_silent
from console.components.panel import icon_button, panel
from console.components.sql_editor import SqlEditor
from console.components.sql_result import ResultView
from console.components.trouble import Trouble
from console.frame import Visit, page
from console.moments import amount
from console.pages.sql_queries import History, Saved
from console.theme import THEME_COOKIE, dark_of
from contracts.errors import TipstreamError
from projections.sql.records import Form
from projections.statement import LIMITS
from services.api.admin.saved_queries import saved_query
from services.api.admin.sql import Relation, Statement, download, run_sql, schema
from services.bus.errors import BusUnavailable
from services.problems import Problem

LONGEST_LINK = 4000
EXAMPLES = {
    "Policies side by side": "SELECT policy, decisions, reward_per_decision, ci_low, ci_high\nFROM policy_compare",
    "Reactions by day": "SELECT day, sum(helpful) AS helpful, sum(dismissed) AS dismissed\n"
    "FROM reward_daily GROUP BY day ORDER BY day",
    "Tips that help most": "SELECT tip_id, count(*) AS shown, avg(reward_so_far) AS reward\n"
    "FROM rewards GROUP BY tip_id ORDER BY reward DESC LIMIT 20",
    "Data quality by day": "FROM data_quality_daily ORDER BY day DESC LIMIT 30",
}


@page("/admin/sql", title="SQL", group="Data", icon="terminal", order=3, permission="sql")
async def sql(visit: Visit, sql: str = "", query: str = "") -> None:
    """A statement may come by link: its text as `sql`, or the id of a kept one as `query`."""
    kept = await run.io_bound(saved_query, visit.parts, query) if query else None
    Workbench(visit, kept["sql"] if kept else sql, kept)


class Workbench:
    """The page's parts and what happens between them."""

    def __init__(self, visit: Visit, text: str, kept: dict[str, Any] | None) -> None:
        self.visit, self.kept = visit, kept
        self.address = Address("/admin/sql", query=kept["query_id"] if kept else "", sql="" if kept else text)
        with ui.element("div").classes("sql-page"):
            with ui.element("div").classes("stack"):
                self._make_editor(text)
                with panel("Result") as self._result:
                    with self._result.actions:
                        self._told = ui.label().classes("small muted mono").props("role=status")
                    self._shown = ui.element("div").classes("w-full stack tight")
                with self._shown:
                    self._show_examples()
            with ui.element("div").classes("stack"):
                self.saved = Saved(self)
                with panel("Tables and views", note="choose a name to insert it"):
                    title = "Tables and views cannot be listed now"
                    self._trouble = Trouble(visit.watch, title, self._list_relations, part="query")
                    self._relations = ui.element("div").classes("w-full")
                    with self._relations:
                        ui.element("div").classes("skeleton").style("height: 120px")
                self.history = History(self)
        background_tasks.create(self._fill(), name="fill the SQL page")

    def load(self, text: str, kept: dict[str, Any] | None = None) -> None:
        """Put a statement into the editor."""
        self.kept, self.editor.value = kept, text
        self._name.text = kept["name"] if kept else "Statement"
        self.address.set(query=kept["query_id"] if kept else "", sql="" if kept else _linkable(text))

    async def run(self) -> None:
        """Run what the editor holds and show the answer."""
        await self.visit.check("sql")
        if (statement := self._statement()) is None:
            return
        if not (self.kept and self.kept["sql"] == statement.sql):
            self.address.set(query="", sql=_linkable(statement.sql))
        self._told.text, self._run.enabled = "running", False
        try:
            result = await run_sql(self.visit.parts, statement, self.visit.actor)
        except TipstreamError as problem:
            self._fail(problem)
            return
        finally:
            self._run.enabled = True
            self.history.show_soon()
        self._told.text = f"{amount(len(result.rows), 'rows')} · {result.duration_us / 1000:,.0f} ms"
        self._shown.clear()
        with self._shown:
            if result.reason:
                notice(f"There is more: {result.reason}.", tone="warn")
            if result.rows:
                ResultView(result)
            else:
                empty("No rows", "The statement ran; nothing matched.", icon="table_rows")

    def _make_editor(self, text: str) -> None:
        chosen = self.visit.request.cookies.get(THEME_COOKIE)
        with panel("Editor", note="Tab indents; Escape, then Tab leaves the editor", flush=True) as editor:
            with editor.actions:
                self._name = ui.label(self.kept["name"] if self.kept else "Statement").classes("small muted")
                icon_button("link", "Copy a link to this statement", self._share)
            self.editor = SqlEditor(text, self.run, dark=dark_of(chosen))
            with ui.element("div").classes("line wrap sql-bar"):
                self._run = ui.button("Run", icon="play_arrow", on_click=self.run).props("unelevated")
                self._run.props["title"] = "Ctrl+Enter or ⌘+Enter"
                ui.button("Save", icon="bookmark_border", on_click=self._save, color=None).props("outline")
                self._limit = _number("Rows", LIMITS.rows, 1, LIMITS.rows, 1)
                self._timeout = _number("Seconds", LIMITS.seconds, 0.1, LIMITS.seconds, 0.5)
                ui.space()
                for form in ("csv", "parquet"):
                    name = "CSV" if form == "csv" else "Parquet"
                    save = ui.button(name, icon="download", on_click=lambda form=form: self._download(form), color=None)
                    save.props("outline").props["title"] = f"Run the statement again and download it as {name}"

    def _statement(self) -> Statement | None:
        text = self.editor.value
        if not text.strip():
            ui.notify("Write a statement first, or choose an example.")
            return None
        return Statement(
            sql=text, limit=int(self._limit.value or LIMITS.rows), timeout=float(self._timeout.value or LIMITS.seconds)
        )

    def _fail(self, problem: TipstreamError) -> None:
        self._told.text = ""
        self._shown.clear()
        position = problem.extra.get("position") if isinstance(problem, Problem) else None
        words, title = str(problem).partition("\n\nLINE ")[0], failure(problem)
        if position is not None:
            before = self.editor.value[:position]
            title += f": line {before.count(chr(10)) + 1}, column {position - before.rfind(chr(10))}"
            self.editor.mark(position)
        with self._shown, notice(words, tone="bad", title=title):
            if isinstance(problem, BusUnavailable):
                ui.link("See Health", HEALTH)

    async def _download(self, form: Form) -> None:
        await self.visit.check("sql")
        if (statement := self._statement()) is None:
            return
        try:
            file = await download(self.visit.parts, statement, form, self.visit.actor)
        except TipstreamError as problem:
            self._fail(problem)
            return
        if file.reason:
            ui.notify(f"The file does not hold all: {file.reason}.", type="warning")
        ui.download.content(file.content, file.name, file.media_type)

    async def _save(self) -> None:
        if (statement := self._statement()) is not None:
            await self.saved.save(statement.sql, self.kept)

    def _share(self) -> None:
        target = self.address.url if self.kept else url("/admin/sql", sql=_linkable(self.editor.value))
        ui.clipboard.write(f"{str(self.visit.request.base_url).rstrip('/')}{target}")
        ui.notify("The link is copied.")

    def _show_examples(self) -> None:
        empty(
            "Nothing was run yet", "Write a SELECT and press Ctrl+Enter, or begin with one of these.", icon="terminal"
        )
        with ui.element("div").classes("line wrap").style("justify-content: center"):
            for name, text in EXAMPLES.items():
                ui.button(name, on_click=lambda text=text: self._try(text), color=None).props("outline")

    async def _try(self, text: str) -> None:
        self.load(text)
        await self.run()

    async def _fill(self) -> None:
        await self._relations.client.connected()
        self.editor.enhance()
        await asyncio.gather(self.saved.show(), self.history.show(), self._list_relations())

    async def _list_relations(self) -> None:
        self._trouble.clear()
        try:
            relations = await unless_silent(self.visit.watch, "query", schema(self.visit.parts))
        except TipstreamError as problem:
            self._trouble.show(problem)
            return
        self._relations.clear()
        with self._relations:
            for relation in relations:
                self._describe(relation)
        self.editor.complete([relation.model_dump() for relation in relations])

    def _describe(self, relation: Relation) -> None:
        with ui.element("details").classes("sql-relation"):
            with ui.element("summary"):
                ui.label(relation.name).classes("mono")
                chip(relation.kind)
            if relation.comment:
                ui.label(relation.comment).classes("small muted")
            _inserting(relation.name, "insert the name", lambda: self.editor.insert(relation.name))
            for column in relation.columns:
                name = f'"{column.name}"' if column.name == "values" else column.name
                button = _inserting(column.name, column.type, lambda name=name: self.editor.insert(name))
                if column.comment:
                    button.props["title"] = column.comment


def failure(problem: TipstreamError) -> str:
    """What became of a statement that has no answer, as a title."""
    return "The statement was not answered" if isinstance(problem, BusUnavailable) else "The statement gave no rows"


def _inserting(name: str, detail: str, on_click: Any) -> ui.element:
    with ui.element("button").classes("sql-column").on("click", on_click) as button:
        button.props("type=button")
        ui.label(name).classes("mono ellipsis")
        ui.label(detail).classes("small muted ellipsis")
    return button


def _number(label: str, value: float, least: float, most: float, step: float) -> ui.number:
    with ui.element("div").classes("line"):
        ui.label(label).classes("small muted").props("aria-hidden=true")
        field = ui.number(value=value, min=least, max=most, step=step).props("outlined dense").style("width: 96px")
        field.props["aria-label"] = f"{label}, at most {most:g}"
    return field


def _linkable(text: str) -> str:
    return text if len(text) <= LONGEST_LINK else ""
