"""Health: at one glance what is wrong and what to do; below it every part, and how the last minutes went."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from nicegui import ui

from console.components.chart import Chart, Option
from console.components.notice import Tone, notice
from console.components.panel import figure, panel
from console.components.table import Column, Row, Table
from console.frame import Visit, page
from console.moments import count, duration, size
from services.api.admin.status import AdminHealth, admin_health
from services.api.findings import Finding
from services.api.health import ComponentHealth
from services.problems import Problem

PERIOD_S = 2.0
NAMES = {
    "api": "API", "stream": "Stream (NATS)", "scorer": "Scorer", "projector": "Projector (SQLite)",
    "analytics": "Analytics (DuckDB)", "query": "Query (DuckDB, locked)", "outbox": "Outbox", "mlflow": "MLflow",
    "replayer": "Replayer", "shadow": "Shadows",
}  # fmt: skip
TONES: dict[str, Tone] = {"up": "good", "starting": "accent", "behind": "warn", "down": "bad"}
FOLDING = ("scorer", "projector", "analytics", "query")
COLUMNS = (
    Column("part", "Part"),
    Column("state", "State", "chip", tone=lambda row: TONES[row["state"]]),
    Column("lag_events", "Lag, events", "number", show=count),
    Column("lag_seconds", "Lag", "number", show=duration),
    Column("seq", "At event", "number", show=count),
    Column("rate", "Events/s", "number", show=lambda rate: f"{rate:,.0f}"),
    Column("disk", "Disk", "number", show=size),
    Column("version", "Version"),
    Column("said", "Last error", show=lambda said: said or "–"),
)


@page("/admin/health", title="Health", group="Live", icon="monitor_heart", order=2)
async def health(visit: Visit) -> None:
    """It looks again every two seconds."""
    glance = ui.element("div").classes("stack tight").props("aria-live=polite")
    figures = ui.element("div").classes("cols figures")
    with panel("Parts", flush=True):
        table = Table(COLUMNS, (), label="Parts", page_size=0)
    with ui.element("div").classes("cols"):
        lag = _chart("Lag over the last minutes", "lag_events", "events behind the stream's end")
        rate = _chart("Rate over the last minutes", "events_per_s", "events folded a second")
    releases = ui.label().classes("muted small")
    shown: list[Finding] | None = None

    async def look() -> None:
        nonlocal shown
        try:
            await visit.check("view")
        except Problem:
            timer.deactivate()
            raise
        found = await admin_health(visit.watch, visit.history)
        if found.findings != shown:
            # Only what changed is said again to those who listen.
            shown = found.findings
            glance.clear()
            with glance:
                _glance(found)
        figures.clear()
        with figures:
            _figures(found)
        table.show([_row(name, part) for name, part in found.components.items()])
        versions = (found.components["api"].details or {}).get("versions", {})
        releases.text = " · ".join(f"{name} {release}" for name, release in versions.items())
        for chart in (lag, rate):
            chart.show([_moment(found, at) for at in range(len(found.history))])

    timer = ui.timer(PERIOD_S, look)


def _glance(found: AdminHealth) -> None:
    if not found.findings:
        notice("Every part is up and follows the stream.", tone="good", title="All is well")
    for finding in found.findings:
        title = f"{NAMES.get(finding.component, finding.component)} {finding.says}"
        notice(f"What to do: {finding.remedy}", tone=finding.severity, title=title)


def _figures(found: AdminHealth) -> None:
    parts = found.components
    api, stream = parts["api"].details or {}, parts["stream"].details or {}
    up = sum(part.state == "up" for part in parts.values())
    lags = [part.lag_events for name, part in parts.items() if name in FOLDING and part.lag_events is not None]
    disk = api.get("disk")
    figure("Parts up", f"{up} of {len(parts)}", note=f"Tipstream {found.version}")
    figure("Events in the stream", count(stream.get("messages")), note=size(stream.get("disk_bytes")))
    figure("Events a second", f"{stream.get('events_per_s', 0):,.0f}", note="coming in", target="/admin/events")
    figure("Largest lag", count(max(lags)) if lags else "–", note="events")
    if disk:
        figure("Disk left", size(disk["free_bytes"]), note=f"of {size(disk['total_bytes'])}")


def _row(name: str, part: ComponentHealth) -> Row:
    details = part.details or {}
    return {
        "part": NAMES.get(name, name),
        "state": part.state,
        "lag_events": part.lag_events,
        "lag_seconds": part.lag_seconds,
        "seq": part.seq,
        "rate": details.get("events_per_s"),
        "disk": details.get("disk_bytes"),
        "version": _version(details),
        "said": details.get("last_error"),
    }


def _version(details: dict[str, Any]) -> str | None:
    """The release of a process, the live version of a projection, or both."""
    release = details.get("server") or details.get("release") or details.get("versions", {}).get("tipstream")
    said = [release, f"v{details['version']}" if "version" in details else None]
    return ", ".join(str(one) for one in said if one) or None


def _moment(found: AdminHealth, at: int) -> Row:
    moment = found.history[at]
    kept = {
        f"{name}.{field}": getattr(moment.parts[name], field)
        for name in FOLDING
        if name in moment.parts
        for field in ("lag_events", "events_per_s")
    }
    return {"at": moment.at, **kept}


def _chart(title: str, field: str, note: str) -> Chart:
    def option(rows: Sequence[Row]) -> Option:
        return {
            "tooltip": {"trigger": "axis"},
            "legend": {"top": 0, "left": 0},
            "xAxis": {"type": "time", "axisLabel": {"hideOverlap": True, "formatter": "{HH}:{mm}:{ss}"}},
            "yAxis": {"type": "value", "minInterval": 1},
            "series": [
                {
                    "name": name,
                    "type": "line",
                    "showSymbol": False,
                    "data": [[_ms(row["at"]), row.get(f"{name}.{field}")] for row in rows],
                }
                for name in FOLDING
            ],
        }

    columns = [Column("at", "At", "time"), *(Column(f"{name}.{field}", name, "number") for name in FOLDING)]
    return Chart(title, option, columns, note=note, height=220)


def _ms(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
