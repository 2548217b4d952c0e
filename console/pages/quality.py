"""Data quality: features missing, tokens expired, what was expected and came, what has drifted, and dead letters."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from console.addresses import Address, event_url
from console.components.chart import Chart
from console.components.confirm import confirm
from console.components.filters import choice_filter
from console.components.json import json_view
from console.components.notice import empty
from console.components.panel import figure, figures, panel
from console.components.plots import banded, daily_lines, heatmap
from console.components.table import Column, Row, Table, csv_button
from console.components.window import WindowBar
from console.frame import Visit, page
from console.moments import amount, count, moment, percent
from console.no_decisions import why_nothing
from contracts.events.base import Position
from projections.reports.drift import MODERATE, MOST, SIGNIFICANT
from services.api.admin.cards import training_window
from services.api.admin.commands import folded
from services.api.admin.dead_letters import dead_letters, reasons, skip
from services.api.admin.models import models
from services.api.admin.quality import drift, quality_of
from services.api.admin.windows import Window

MOST_LETTERS = 500
BEFORE = "before"
NOTHING = ("No decisions in this window", "Choose a longer window.")
NONE_MISSING = ("No feature was missing", "Every signal was there when a decision needed it.")
NONE_EXPIRED = ("No token had expired", "Every source could be read when a decision was made.")


def index(number: float) -> str:
    """A number to the third decimal."""
    return f"{number:,.3f}"


DAY = Column("day", "Day", "time")
DECISIONS = Column("decisions", "Decisions", "number", show=count)
MISSING = (
    DAY, Column("feature", "Feature"), Column("feature_set", "Feature set"), DECISIONS,
    Column("imputed", "Imputed", "number", show=count), Column("missing_rate", "Missing", "number", show=percent),
)  # fmt: skip
STALE = (
    DAY, Column("source", "Source"), DECISIONS, Column("stale", "Expired", "number", show=count),
    Column("stale_rate", "Expired, share", "number", show=percent),
)  # fmt: skip
DAILY = (
    DAY, DECISIONS, Column("reacted", "Reacted", "number", show=count),
    Column("feedback_completeness", "Got feedback", "number", show=percent),
    Column("expected_source_days", "Expected", "number", show=count),
    Column("reported_source_days", "Reported", "number", show=count),
    Column("source_completeness", "Sources reported", "number", show=percent),
    Column("missing_rate", "Missing values", "number", show=percent),
    Column("stale_rate", "Expired tokens", "number", show=percent),
)  # fmt: skip
BANDS = {"stable": "good", "moderate": "warn", "significant": "bad", "unclear": ""}
BAND_COLOURS = {"stable": "#12b76a", "moderate": "#f79009", "significant": "#f04438", "unclear": "#98a2b3"}
DRIFT = (
    Column("name", "Name"), Column("kind", "Kind"), Column("psi", "PSI", "number", show=index),
    Column("by_chance", "By chance", "number", show=index),
    Column("band", "Change", "chip", tone=lambda row: BANDS[row["band"]]),
    Column("reference_mean", "Mean before", "number", show=index),
    Column("window_mean", "Mean now", "number", show=index),
    Column("reference_values", "Values before", "number", show=count),
    Column("window_values", "Values now", "number", show=count),
)  # fmt: skip
LETTERS = (
    Column("seq", "Event", "id", link=lambda row: event_url(row["seq"])),
    Column("recorded_at", "Recorded", "time", show=moment), Column("subject", "Subject", "id"),
    Column("reason", "Reason"), Column("detail", "Detail"),
    Column("state", "State", "chip", tone=lambda row: "good" if row["skipped_at"] else "warn"),
)  # fmt: skip


@page("/admin/quality", title="Data quality", group="Data", icon="fact_check", order=1)
async def quality(
    visit: Visit,
    days: int = 30,
    since: str = "",
    until: str = "",
    against: str = "",
    reason: str = "",
    letter: Position | None = None,
) -> None:
    """A window for the charts, and what drift is told against; dead letters by reason, one of them opened."""
    address = Address(
        "/admin/quality", days=days, since=since, until=until, against=against, reason=reason, letter=letter
    )

    async def load(window: Window) -> None:
        names = ("quality_daily", "missing_by_feature", "stale_by_source")
        daily, imputed, expired = await asyncio.gather(*(quality_of(visit.parts, name, window) for name in names))
        row.clear()
        with row:
            _figures(daily)
        decided = any(day["decisions"] for day in daily)
        nothing = await why_nothing(visit.parts, NOTHING)
        missing.show(imputed, nothing=NONE_MISSING if decided else nothing)
        stale.show(expired, nothing=NONE_EXPIRED if decided else nothing)
        complete.show(daily, nothing=nothing)
        # By itself and last: it compares the values of two windows, which takes a second where there are millions.
        await drifted.load(window)

    bar = WindowBar(visit.watch, address, load)
    row = figures(4)
    missing = Chart(
        "Missing features", heatmap("feature", "missing_rate"), MISSING, height=300,
        note="Share of a day's decisions in which a feature was imputed",
    )  # fmt: skip
    with ui.element("div").classes("cols"):
        stale = Chart(
            "Expired tokens", daily_lines("stale_rate", group="source", percent=True), STALE,
            note="Share of a day's decisions, by source",
        )  # fmt: skip
        complete = Chart(
            "Completeness",
            daily_lines(
                {
                    "feedback_completeness": "decisions with feedback",
                    "source_completeness": "expected sources that reported",
                },
                percent=True,
            ),
            DAILY, note="Decisions that got feedback; expected source-days that reported",
        )  # fmt: skip
    drifted = _Drift(visit, address, bar.refresh)
    await _Letters(visit, address).build()


def _figures(daily: list[dict[str, Any]]) -> None:
    def share(part: str, whole: str, less: str = "") -> float | None:
        among = sum(row[whole] - (row[less] if less else 0) for row in daily)
        return sum(row[part] for row in daily) / among if among else None

    figure("Missing values", percent(share("imputed", "values"), 2), note="of all feature values")
    expired = share("stale_decisions", "decisions", "external_decisions")
    figure("Decisions with an expired token", percent(expired), note="of our own decisions")
    figure("Decisions with feedback", percent(share("reacted", "decisions")), note="imported ones too")
    reported = share("reported_source_days", "expected_source_days")
    figure("Sources that reported", percent(reported), note="of expected source-days")


class _Drift:
    """Drift of a window against what is chosen: the training window of a model, at first the live one's, or the window
    of the same length just before."""

    def __init__(self, visit: Visit, address: Address, reload: Callable[[], Awaitable[None]]) -> None:
        self._visit, self._address, self._reload = visit, address, reload
        self._against = str(address.values["against"])
        self._offered = False
        self._chart = Chart(
            "Drift", banded("name", "psi", "band", BAND_COLOURS, (MODERATE, SIGNIFICANT)), DRIFT, height=420,
            nothing=("Nothing to compare with", "One of the two windows holds no decision of ours."),
            note="Population stability index of chosen tips' features and of signals against those of other decisions: "
            f"below {MODERATE} little has changed, above {SIGNIFICANT} much; grey: too few values to say. "
            f"Of at most {MOST:,} decisions each",
        )  # fmt: skip

    async def load(self, window: Window) -> None:
        """Draw this window. Raises Problem for a model that has no training window, BusUnavailable, RequestFailed."""
        if not self._offered:
            await self._offer()
        reference = await training_window(self._visit.parts, self._against) if self._against != BEFORE else ()
        self._chart.show(await drift(self._visit.parts, window, *reference))

    async def _offer(self) -> None:
        found = await models(self._visit.parts)
        live = {one.model_version for one in found.promotions if one.live}
        trained = {one.id: f"Training of {one.id}{' (live)' * (one.id in live)}" for one in found.versions}
        self._against = self._against or next((one for one in trained if one in live), BEFORE)
        # A link may name a model that the registry does not tell of just now.
        options = {self._against: self._against, **trained, BEFORE: "The window before"}
        with self._chart.actions.actions:
            choice_filter("Against", options, self._against, self._choose)
        self._offered = True

    async def _choose(self, against: str) -> None:
        self._against = against
        self._address.set(against=against)
        await self._reload()


class _Letters:
    """The dead letters: by reason, one opened with its bytes, and put aside."""

    def __init__(self, visit: Visit, address: Address) -> None:
        self._visit, self._address = visit, address
        self._rows: list[dict[str, Any]] = []

    async def build(self) -> None:
        with panel(
            "Dead letters", note="Events of the stream that could not count, the latest first", flush=True
        ) as held:
            with held.actions:
                self._counts = ui.element("div")
                csv_button("Dead letters", LETTERS, lambda: self._rows)
            self._table = Table(LETTERS, (), label="Dead letters", on_choose=self._open, page_size=10)
            self._none = ui.element("div").classes("w-full")
            with self._none:
                empty("No dead letters", "Every event of the stream counts.", icon="task_alt")
        self._opened = ui.element("div").classes("w-full").props("aria-live=polite")
        await self.refresh()

    async def refresh(self) -> None:
        parts, chosen = self._visit.parts, self._address.values["reason"]
        counts = await asyncio.to_thread(reasons, parts)
        letters = await asyncio.to_thread(dead_letters, parts, MOST_LETTERS, chosen or None)
        self._rows = [row | {"state": "skipped" if row["skipped_at"] else "open"} for row in letters]
        self._counts.clear()
        with self._counts:
            options = {row["reason"]: f"{row['reason']} ({row['open']} of {row['letters']} open)" for row in counts}
            known = {"": "All reasons", **options}
            if counts:
                choice_filter("Reason", known, chosen if chosen in known else "", self._choose)
        self._show()

    def _show(self) -> None:
        opened, rows = self._address.values["letter"], self._rows
        self._table.show(rows, chosen=lambda row: row["seq"] == opened)
        self._table.element.visible, self._none.visible = bool(rows), not rows
        self._opened.clear()
        found = next((row for row in rows if row["seq"] == opened), None)
        if found is not None:
            with self._opened:
                self._letter(found)

    async def _choose(self, reason: str) -> None:
        self._address.set(reason=reason, letter=None)
        await self.refresh()

    def _open(self, row: Row) -> None:
        self._address.set(letter=row["seq"])
        self._show()

    def _letter(self, row: Row) -> None:
        with panel(f"Dead letter {row['seq']}", note=f"{row['reason']}: {row['detail']}") as opened:
            with opened.actions:
                if row["skipped_at"]:
                    ui.label(f"Skipped by {row['skipped_by']}, {moment(row['skipped_at'])}").classes("muted small")
                elif self._visit.may("operate"):
                    ui.button("Skip", on_click=lambda: self._skip(row["seq"]), color="primary").props("unelevated")
            raw = base64.b64decode(row["data"] or "")
            with ui.element("div").classes("cols"):
                _text("As text (UTF-8)", raw.decode("utf-8", "backslashreplace") or "(no bytes)")
                _text(f"As bytes ({len(raw):,})", hexadecimal(raw) or "(no bytes)")
            _text(
                "Headers", "\n".join(f"{name}: {value}" for name, value in (row["headers"] or {}).items()) or "(none)"
            )

    async def _skip(self, seq: int) -> None:
        await self._visit.check("operate")
        said = "It stays in the log and in this table, marked as looked at. Nothing is learned from it."
        if await confirm(f"Skip dead letter {seq}?", said, action="Skip"):
            await self._visit.check("operate")
            done = await skip(self._visit.parts, seq, self._visit.actor)
            await folded(self._visit.parts, done.seq)
            await self.refresh()
            ui.notify(f"Dead letter {seq} is skipped.")


def _text(label: str, text: str) -> None:
    with ui.element("div").classes("stack tight"):
        ui.label(label).classes("eyebrow")
        json_view(text, label=label)


def hexadecimal(raw: bytes, most: int = 4096) -> str:
    """Sixteen bytes a line with their place and printable characters; what is past `most` is only counted."""
    lines = []
    for at in range(0, min(len(raw), most), 16):
        piece = raw[at : at + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
        lines.append(f"{at:06x}  {piece.hex(' '):<47}  {shown}")
    return "\n".join(lines) + (f"\n… and {amount(len(raw) - most, 'more bytes')}" if len(raw) > most else "")
