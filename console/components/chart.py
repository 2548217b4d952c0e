"""Charts: an ECharts drawing with what it shows behind it, as a table and as CSV."""

from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui
from nicegui.events import EChartPointClickEventArguments

from console.components.notice import empty
from console.components.panel import Panel, icon_button, panel
from console.components.table import Column, Row, Table, csv_button
from console.theme import CHART_THEME

Option = dict[str, Any]
_GRID = {"left": 8, "right": 16, "top": 36, "bottom": 8, "containLabel": True}


class Chart:
    """A panel with a chart; `show` draws it anew. `option` makes the ECharts option of rows.

    For screen readers the chart is an image with its title; the table behind it says the same in words.
    """

    def __init__(
        self,
        title: str,
        option: Callable[[Sequence[Row]], Option],
        columns: Sequence[Column],
        rows: Sequence[Row] | None = None,
        *,
        note: str = "",
        height: int = 260,
        nothing: tuple[str, str] = ("Nothing to plot yet", "It fills as events come in."),
        on_point: Callable[[EChartPointClickEventArguments], Any] | None = None,
    ) -> None:
        self._option, self._columns, self._rows = option, columns, list(rows or ())
        self._title, self._as_table = title, False
        with panel(title, note=note) as self.panel:
            self.chart = ui.echart({}, on_point_click=on_point, theme=CHART_THEME, renderer="canvas")
            self.chart.style(f"height: {height}px")
            self.chart.props["role"], self.chart.props["aria-label"] = "img", title
            # Made when first asked for: most charts of a page are never looked at as tables.
            self._table: Table | None = None
            self._behind = ui.element("div").classes("w-full")
            self._empty = ui.element("div").classes("w-full")
            self._say(nothing)
            self._waiting = ui.element("div").classes("skeleton").style(f"height: {height}px")
            with self.panel.actions:
                self._toggle = icon_button("table_rows", f"Show {title} as a table", self._switch)
                self._save = csv_button(title, columns, lambda: self._rows)
        if rows is None:
            self._place(waiting=True)
        else:
            self.show(rows)

    @property
    def actions(self) -> Panel:
        """The panel, for further actions beside the title."""
        return self.panel

    def show(self, rows: Sequence[Row], *, nothing: tuple[str, str] | None = None) -> None:
        """Draw these rows; without any, say `nothing` from now on."""
        self._rows = in_order(self._columns, rows)
        if nothing is not None:
            self._say(nothing)
        if self._rows:
            drawn = self._option(self._rows)
            self.chart.options.clear()
            self.chart.options.update({"animation": False, "grid": _GRID} | drawn)
            self.chart.update()
        self._place()

    def _say(self, nothing: tuple[str, str]) -> None:
        self._empty.clear()
        with self._empty:
            empty(*nothing, icon="bar_chart")

    def _place(self, *, waiting: bool = False) -> None:
        some = bool(self._rows)
        self._waiting.visible = waiting
        self._empty.visible = not waiting and not some
        self.chart.visible = some and not self._as_table
        self._behind.visible = some and self._as_table
        if self._behind.visible:
            self._tabulate()
        self._toggle.visible = self._save.visible = some

    def _switch(self) -> None:
        self._as_table = not self._as_table
        icon, words = ("bar_chart", "as a chart") if self._as_table else ("table_rows", "as a table")
        self._toggle.props["icon"] = icon
        self._toggle.props["aria-label"] = self._toggle.props["title"] = f"Show {self._title} {words}"
        self._toggle.update()
        self._place()

    def _tabulate(self) -> None:
        if self._table is None:
            with self._behind:
                self._table = Table(self._columns, (), label=self._title)
        self._table.show(self._rows)


def in_order(columns: Sequence[Column], rows: Sequence[Row]) -> list[Row]:
    """The rows, those of days from the first day on: some reports begin with the last, since they may be cut."""
    return sorted(rows, key=lambda row: row["day"]) if columns[0].name == "day" else list(rows)


def sparkline(values: Sequence[float | None], *, label: str) -> ui.element:
    """A line of values without axes; None leaves a gap."""
    known = [value for value in values if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    span, width = (high - low) or 1.0, max(len(values) - 1, 1)
    path, down = [], False
    for at, value in enumerate(values):
        if value is not None:
            path.append(f"{'L' if down else 'M'}{at / width * 100:.2f} {26 - (value - low) / span * 24:.2f}")
        down = value is not None
    drawing = ui.html(
        f'<svg viewBox="0 0 100 28" preserveAspectRatio="none" class="spark"><path d="{" ".join(path)}" fill="none" '
        'stroke="currentColor" stroke-width="1.5" vector-effect="non-scaling-stroke"/></svg>',
        sanitize=False,
    )
    drawing.props["role"], drawing.props["aria-label"] = "img", label
    return drawing.classes("w-full")
