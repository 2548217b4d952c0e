"""A person's feature vectors over time: a heatmap of the last hundred decisions, and a line for each feature."""

import asyncio
from collections.abc import Sequence

from nicegui import ui
from nicegui.events import EChartPointClickEventArguments

from console.addresses import decision_url, url, user_url
from console.components.chart import Chart, Option, sparkline
from console.components.later import later
from console.components.notice import empty
from console.components.panel import panel
from console.components.table import Column, Row, Table
from console.frame import Visit, page, title_of
from console.moments import amount, moment, percent
from console.people.picker import Picker, seen
from services.api.admin.features import FeatureHistory, features

PATH = "/admin/features"
LOW, HIGH, MISSING, STALE = "#f79009", "#2e90fa", "#667085", "#ee46bc"
CROSS = "path://M0,1 L1,0 L5,4 L9,0 L10,1 L6,5 L10,9 L9,10 L5,6 L1,10 L0,9 L4,5 Z"


@page(PATH, title="Features", group="Learning", icon="grid_on", order=2)
async def features_page(visit: Visit, user: str = "") -> None:
    """What was known of a person at each of their decisions."""
    if user:
        ui.page_title(title_of("Features", user))
    picker = Picker(visit, PATH, user)
    picker.build({"This person": user_url(user), "Their decisions": url("/admin/recommendations", user=user)})
    if user and await seen(visit, user):
        later(visit.watch, lambda: _show(visit, user), 460, 360)


async def _show(visit: Visit, user: str) -> None:
    history = await asyncio.to_thread(features, visit.parts, user)
    if not history.vectors:
        empty(
            "No feature vectors", f"Nothing was decided for {user!r:.80} by a policy of ours.",
            link="Choose somebody who was seen lately", target=PATH, icon="grid_on",
        )  # fmt: skip
        return
    # Oldest first: time runs to the right.
    history.vectors.reverse()
    _heatmap(history)
    _lines(history)
    _decisions(history)


def _heatmap(history: FeatureHistory) -> None:
    names = _names(history)
    rows: list[Row] = [
        {
            "time": one.occurred_at.isoformat(),
            "decision": one.decision_id,
            "tip": one.tip_id,
            **{name: one.features.get(name) for name in names},
            "missing": " ".join(name for name, mark in one.marks.items() if mark == "missing"),
            "stale": " ".join(name for name, mark in one.marks.items() if mark == "stale"),
        }
        for one in history.vectors
    ]
    columns = [
        Column("time", "Time", "time", show=moment),
        Column("decision", "Decision", "id", link=lambda row: decision_url(row["decision"])),
        Column("tip", "Tip"),
        *(Column(name, name, "number", show=_number) for name in names),
        Column("missing", "Missing", sortable=False),
        Column("stale", "Stale", sortable=False),
    ]

    def option(rows: Sequence[Row]) -> Option:
        return _cells(rows, names)

    def open_decision(event: EChartPointClickEventArguments) -> None:
        cell = event.value
        if isinstance(cell, list):
            ui.navigate.to(decision_url(str(rows[int(cell[0])]["decision"])))

    Chart(
        f"Features of the last {amount(len(rows), 'decisions')}", option, columns, rows, height=64 + 24 * len(names),
        on_point=open_decision,
        note="x of the tip that was chosen; × a signal was missing and a default stood in, ▲ its token had expired; "
        "click a cell to see its decision",
    )  # fmt: skip


def _cells(rows: Sequence[Row], names: Sequence[str]) -> Option:
    """One cell a feature and decision, and a mark on those that were made from a default."""
    values, missing, stale = [], [], []
    for column, row in enumerate(rows):
        for line, name in enumerate(names):
            value = row[name]
            if isinstance(value, float):
                values.append([column, line, round(value, 4)])
            if name in row["missing"].split():
                missing.append([column, line])
            if name in row["stale"].split():
                stale.append([column, line])
    size = 8 if len(rows) <= 60 else 6
    marks = {"type": "scatter", "symbolSize": size, "z": 3}
    return {
        "grid": {"left": 8, "right": 8, "top": 32, "bottom": 8, "containLabel": True},
        "legend": {
            "top": 0, "left": 0, "icon": None, "selectedMode": False,
            "data": [{"name": "missing", "icon": CROSS}, {"name": "stale", "icon": "triangle"}],
        },
        "visualMap": {
            "min": -1, "max": 1, "orient": "horizontal", "top": 0, "right": 8, "itemHeight": 90, "itemWidth": 10,
            "text": ["1", "−1"], "textStyle": {"color": "#838d9e"}, "seriesIndex": 0,
            "inRange": {"color": [LOW, "rgba(131, 141, 158, 0.14)", HIGH]},
        },
        "tooltip": {"position": "top"},
        "xAxis": {"type": "category", "data": [moment(row["time"])[5:16] for row in rows]},
        "yAxis": {
            "type": "category", "data": list(names), "inverse": True,
            "axisLabel": {"interval": 0, "fontFamily": "Roboto Mono, monospace"},
        },
        "series": [
            {"name": "x", "type": "heatmap", "data": values, "progressive": 0, "itemStyle": {"borderWidth": 0}},
            {**marks, "name": "missing", "data": missing, "symbol": CROSS, "itemStyle": {"color": MISSING}},
            {**marks, "name": "stale", "data": stale, "symbol": "triangle", "itemStyle": {"color": STALE}},
        ],
    }  # fmt: skip


def _lines(history: FeatureHistory) -> None:
    described = {one.name: one for one in history.features}
    note = "oldest on the left; a gap where a default stood in"
    with panel("Each feature over time", note=note), ui.element("div").classes("cols thirds"):
        for name in _names(history):
            seen = [
                value if isinstance(value := one.features.get(name), float) and name not in one.marks else None
                for one in history.vectors
            ]
            imputed = sum(name in one.marks for one in history.vectors) / len(history.vectors)
            latest = next((value for value in reversed(seen) if value is not None), None)
            with ui.element("div").classes("stack tight"):
                with ui.element("div").classes("line apart"):
                    ui.label(name).classes("mono ellipsis")
                    ui.label("–" if latest is None else _number(latest)).classes("mono")
                sparkline(seen, label=f"{name} over the last {amount(len(seen), 'decisions')}")
                words = described[name].description if name in described else ""
                ui.label(f"{words}; imputed {percent(imputed, 0)}" if imputed else words).classes("muted small")


def _decisions(history: FeatureHistory) -> None:
    columns = [
        Column("occurred_at", "Time", "time", show=moment, link=lambda row: decision_url(row["decision_id"])),
        Column("tip_id", "Tip", "id"),
        Column("missing", "Missing"),
        Column("stale", "Stale"),
    ]
    rows = []
    for one in reversed(history.vectors):
        row = one.model_dump(mode="json", include={"occurred_at", "tip_id", "decision_id"})
        for mark in ("missing", "stale"):
            row[mark] = ", ".join(name for name, how in one.marks.items() if how == mark)
        rows.append(row)
    with panel("Their decisions", flush=True, note="with the features that a default stood in for"):
        Table(
            columns, rows, label="Decisions", page_size=10,
            on_choose=lambda row: ui.navigate.to(decision_url(row["decision_id"])),
        )  # fmt: skip


def _names(history: FeatureHistory) -> list[str]:
    """The features in the order of their definition, then those that no definition knows."""
    held = dict.fromkeys(name for one in history.vectors for name in one.features)
    return list(dict.fromkeys([*(one.name for one in history.features if one.name in held), *held]))


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
