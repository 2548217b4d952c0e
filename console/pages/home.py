"""Home: whether all is well, how much people got and liked, whether learning pays, and whether the data is good."""

import asyncio
from collections.abc import Sequence

from nicegui import ui

from console.components.chart import Chart
from console.components.notice import Tone
from console.components.outage import HEALTH, silence, unless_silent
from console.components.panel import figure, figures
from console.components.plots import daily_lines, intervals, stacked_days
from console.components.table import Column, Row
from console.components.trouble import Trouble
from console.frame import Visit, page
from console.moments import amount, count, number, percent
from console.no_decisions import NONE_YET
from console.pages.rewards import ACTIONS, COUNTS, REACTIONS, REWARDS
from contracts.errors import TipstreamError
from projections.reports.window import Z
from services.api.admin.quality import quality_of
from services.api.admin.rewards import of_window, random_estimate
from services.api.admin.windows import Window
from services.api.condition import Condition
from services.api.findings import findings

DAYS = 30
LOOK_AGAIN_S = 5.0
RATE = Column("reaction_rate", "Reacted, share", "number", show=percent)
QUALITY = (
    Column("day", "Day", "time"), Column("missing_rate", "Missing values", "number", show=percent),
    Column("stale_rate", "Expired tokens", "number", show=percent),
    Column("source_completeness", "Sources reported", "number", show=percent),
)  # fmt: skip


@page("/admin", title="Home", group="", icon="home", order=0)
async def home(visit: Visit) -> None:
    """The last thirty days of our own decisions, and the system's health now."""
    title = "Reports cannot be shown now; the rest of the console can be used"
    with ui.element("div").style("display: contents") as place:
        trouble = Trouble(visit.watch, title, lambda: load())
    with ui.element("div").classes("cols figures"):
        row, health = figures(4), figures(1)
    for part in (row, health):
        part.style("display: contents")
    reactions = Chart(
        "Reactions per day", stacked_days(ACTIONS), (Column("day", "Day", "time"), *COUNTS, *REACTIONS), height=260,
        nothing=NONE_YET, note=f"The last {DAYS} days, imported decisions left out",
    )  # fmt: skip
    with ui.element("div").classes("cols"):
        policies = Chart(
            "Mean reward by policy", intervals("policy", "reward_per_decision", "ci_low", "ci_high"),
            (Column("policy", "Policy"), *COUNTS, RATE, *REWARDS), nothing=NONE_YET, height=220,
            note="With 95 % intervals; a random tip is an estimate from propensities",
        )  # fmt: skip
        quality = Chart(
            "Data quality",
            daily_lines(
                {"missing_rate": "missing values", "stale_rate": "decisions with an expired token"}, percent=True
            ),
            QUALITY, nothing=("No decisions yet", "It fills as decisions come in."), height=220,
        )  # fmt: skip
    for chart, words, target in (
        (reactions, "Rewards", f"/admin/rewards?days={DAYS}"), (policies, "Experiments", "/admin/experiments"),
        (quality, "Data quality", f"/admin/quality?days={DAYS}"),
    ):  # fmt: skip
        with chart.panel.actions:
            ui.link(words, target).classes("small")

    async def load() -> None:
        trouble.clear()
        try:
            await unless_silent(visit.watch, "analytics", fill())
        except TipstreamError as problem:
            trouble.show(problem)
            say_once()

    def say_once() -> None:
        # The frame's banner says so of the stream; the reports come back by themselves.
        place.visible = not silence(visit.watch)

    async def fill() -> None:
        parts, window = visit.parts, Window.of(days=DAYS)
        daily, compared, random, qualities = await asyncio.gather(
            of_window(parts, "daily_reactions", window, "ours"),
            of_window(parts, "policies_compared", window, "ours"),
            random_estimate(parts, window, "ours"),
            quality_of(parts, "quality_daily", window),
        )
        row.clear()
        with row:
            _figures(daily, compared, random, qualities)
        reactions.show(daily)
        shown = [row | {"reaction_rate": row["reacted"] / row["decisions"]} for row in compared]
        policies.show([*shown, *_random_row(random)])
        quality.show([row for row in qualities if row["missing_rate"] is not None])

    async def look() -> None:
        say_once()
        now = visit.watch.latest or await visit.watch.condition()
        health.clear()
        with health:
            _health(now)

    ui.timer(0, load, once=True)
    # By itself: it has something to say while the reports do not come.
    ui.timer(LOOK_AGAIN_S, look)


def _figures(daily: Sequence[Row], compared: Sequence[Row], random: Row, qualities: Sequence[Row]) -> None:
    decisions, reacted = (sum(row[name] for row in daily) for name in ("decisions", "reacted"))
    earned = sum(row["reward_sum"] for row in compared)
    target = f"/admin/rewards?days={DAYS}"
    figure("Tips shown", count(decisions), note=f"in {DAYS} days", target="/admin/recommendations")
    figure("Reacted to", percent(reacted / decisions if decisions else None), note=f"{reacted:,} tips", target=target)
    figure("Reward per tip", number(earned / decisions if decisions else None), note=_lift(random), target=target)
    values, imputed = (sum(row[name] for row in qualities) for name in ("values", "imputed"))
    expected, reported = (sum(row[f"{name}_source_days"] for row in qualities) for name in ("expected", "reported"))
    figure(
        "Missing values", percent(imputed / values if values else None, 2), target=f"/admin/quality?days={DAYS}",
        note=f"{percent(reported / expected if expected else None)} of sources reported",
    )  # fmt: skip


def _health(now: Condition) -> None:
    found, stream = findings(now), now.components["stream"]
    lag = [part.lag_events for part in now.components.values() if part.lag_events is not None]
    worst: Tone = "bad" if any(one.severity == "bad" for one in found) else "warn"
    said = f"{len(found)} to look at" if found else "all is well"
    # What is behind a stream that does not answer nobody knows.
    known = f"lag {amount(max(lag, default=0), 'events')}" if stream.seq is not None else "lag unknown"
    figure(
        "Events in the stream", count(stream.details.get("messages")), target=HEALTH, note=f"{said}; {known}",
        tone=worst if found else "good",
    )  # fmt: skip


def _lift(random: Row) -> str:
    if random["estimate"] is None:
        return "a random tip's is estimated after 24 h"
    return f"a random tip's: {number(random['estimate'])} (estimated)"


def _random_row(random: Row) -> list[Row]:
    if random["estimate"] is None or random["stderr"] is None:
        return []
    doubt = Z * random["stderr"]
    return [
        {
            "policy": "a random tip (estimated)", "reward_per_decision": random["estimate"],
            "ci_low": random["estimate"] - doubt, "ci_high": random["estimate"] + doubt,
            "decisions": random["decisions"],
        }
    ]  # fmt: skip
