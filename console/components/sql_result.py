"""The answer to a statement: its rows a page at a time, one row whole, a simple chart of two columns."""

from typing import Any, Literal

from nicegui import ui

from console.components.filters import choice_filter, toggle
from console.components.panel import icon_button
from console.components.table import Column, Row, Table
from console.theme import CHART_THEME
from services.api.admin.sql import Result

PAGE, POINTS, SHOWN = 100, 2000, 200
NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
NUMERIC = (*NUMBERS, "FLOAT", "DOUBLE", "DECIMAL")
Kind = Literal["bar", "line", "scatter"]


class ResultView:
    """Shows one `Result` in the element it is made in; only the rows of one page are in the browser."""

    def __init__(self, result: Result) -> None:
        self._result, self._first = result, 0
        self._kind, self._x = "bar", 0
        # A column against itself says nothing; only where no other holds numbers it is what can be drawn.
        self._y = next((at for at in range(len(result.types)) if at != self._x and self._numeric(at)), self._x)
        with ui.element("div").classes("line"):
            toggle({"table": "Table", "chart": "Chart"}, "table", self._switch, label="Show the result as")
        with ui.element("div").classes("w-full") as self._as_table:
            columns = [
                Column(str(at), name, "number" if self._numeric(at) else "text", sortable=False)
                for at, name in enumerate(result.columns)
            ]
            self._table = Table(columns, (), label="Result", on_choose=self._open, page_size=0, height="480px")
            self._table.element.classes("as-given")
            with ui.element("div").classes("line") as pager:
                self._back = icon_button("chevron_left", "Earlier rows", lambda: self._turn(-PAGE))
                self._where = ui.label().classes("small muted")
                self._on = icon_button("chevron_right", "Later rows", lambda: self._turn(PAGE))
            pager.visible = len(result.rows) > PAGE
        with ui.element("div").classes("w-full stack") as self._as_chart:
            names = {str(at): name for at, name in enumerate(result.columns)}
            with ui.element("div").classes("line wrap end"):
                choice_filter("X", names, str(self._x), lambda at: self._plot(x=int(at)))
                choice_filter("Y", names, str(self._y), lambda at: self._plot(y=int(at)))
                kinds = {"bar": "Bars", "line": "Line", "scatter": "Points"}
                choice_filter("Kind", kinds, self._kind, lambda kind: self._plot(kind=kind))
                if len(result.rows) > POINTS:
                    ui.label(f"the first {POINTS:,} of {len(result.rows):,} rows").classes("small muted")
            self._chart = ui.echart({}, theme=CHART_THEME).style("height: 320px")
            self._chart.props["role"], self._chart.props["aria-label"] = "img", "Chart of the result"
        self._as_chart.visible = False
        self._turn(0)

    def _numeric(self, at: int) -> bool:
        return self._result.types[at].startswith(NUMERIC) and "[" not in self._result.types[at]

    def _switch(self, shown: str) -> None:
        self._as_table.visible, self._as_chart.visible = shown == "table", shown == "chart"
        if shown == "chart":
            self._plot()

    def _turn(self, by: int) -> None:
        rows = self._result.rows
        self._first = max(min(self._first + by, len(rows) - 1), 0)
        last = min(self._first + PAGE, len(rows))
        self._table.show(
            [
                {str(at): _short(value) for at, value in enumerate(rows[number])} | {"number": number}
                for number in range(self._first, last)
            ]
        )
        self._where.text = f"rows {self._first + 1:,} to {last:,} of {len(rows):,}"
        self._back.enabled, self._on.enabled = self._first > 0, last < len(rows)

    def _open(self, shown: Row) -> None:
        row = self._result.rows[shown["number"]]
        with ui.dialog(value=True) as dialog, ui.card().classes("stack").style("max-width: 720px; width: 100%"):
            with ui.element("dl").classes("facts"):
                for name, value in zip(self._result.columns, row, strict=True):
                    with ui.element("dt"):
                        ui.label(name)
                    with ui.element("dd").classes("mono"):
                        ui.label("NULL" if value is None else str(value))
            ui.button("Close", on_click=dialog.close, color=None).props("flat")
        dialog.on("hide", dialog.delete)

    def _plot(self, *, x: int | None = None, y: int | None = None, kind: str | None = None) -> None:
        self._x, self._y = self._x if x is None else x, self._y if y is None else y
        self._kind = kind or self._kind
        rows, named = self._result.rows[:POINTS], self._result.columns[self._y]
        self._chart.options.clear()
        self._chart.options.update({
            "animation": False, "tooltip": {"trigger": "axis"},
            "grid": {"left": 8, "right": 16, "top": 28, "bottom": 8, "containLabel": True},
            "xAxis": {"type": "category", "data": [_label(row[self._x]) for row in rows]},
            "yAxis": {"type": "value", "name": named, "scale": self._kind != "bar"},
            "series": [{"type": self._kind, "name": named, "data": [_number(row[self._y]) for row in rows]}],
        })  # fmt: skip
        self._chart.update()


def _short(value: Any) -> str:
    """A value as it is, not rounded; only long ones are cut, and shown whole on opening their row."""
    if value is None:
        return "NULL"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _label(value: Any) -> str:
    return "NULL" if value is None else str(value)[:40]


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None
