"""Rewards: what people made of their tips over a window, by day, policy, tip and category."""

import asyncio
from collections.abc import Sequence
from typing import Any, get_args

from nicegui import ui

from console.addresses import Address, url
from console.components.chart import Chart
from console.components.filters import toggle
from console.components.panel import figure, figures, panel
from console.components.plots import daily_lines, intervals, stacked_days
from console.components.table import Column, Row, Table, csv_button
from console.components.window import WindowBar
from console.frame import Visit, page
from console.moments import amount, count, latency, number, percent
from console.no_decisions import why_nothing
from console.theme import ACTION_COLOURS
from services.api.admin.rewards import of_window, random_estimate
from services.api.admin.windows import Source, Window

ACTIONS = {name: (name.replace("_", " ").capitalize(), colour) for name, colour in ACTION_COLOURS.items()}
SOURCES: dict[Source, str] = {"ours": "Ours", "imported": "Imported", "all": "All"}
COMPARED = (
    "Reward a decision (no reaction counts 0) and a reaction; young decisions, under 24 h of stream time, may still "
    "gain one; imported ones are rows of their own"
)
NONE = "No decisions in this window"
NOTHING: dict[Source, tuple[str, str]] = {
    "ours": (NONE, "Choose a longer window, or imported decisions."),
    "imported": (NONE, "Choose a longer window."),
    "all": (NONE, "Choose a longer window."),
}


REACTIONS = tuple(Column(name, label, "number", show=count) for name, (label, _) in ACTIONS.items())
COUNTS = (Column("decisions", "Decisions", "number", show=count), Column("reacted", "Reacted", "number", show=count))
REWARDS = (
    Column("reward_per_decision", "/ decision", "number", show=number),
    Column("ci_low", "95 % from", "number", show=number),
    Column("ci_high", "to", "number", show=number),
    Column("reward_per_reaction", "/ reaction", "number", show=number),
)
IMPORTED = Column("kind", "Made by", "chip", tone=lambda row: "warn" if row["external"] else "good")
POLICIES = (
    Column("policy", "Policy"), IMPORTED, *COUNTS, Column("reaction_rate", "Share", "number", show=percent),
    *REWARDS, Column("young_share", "Young", "number", show=percent),
    Column("explored_share", "Explored", "number", show=percent),
    Column("mean_latency_us", "Latency", "number", show=latency),
)  # fmt: skip
TIPS = (
    Column("title", "Tip", link=lambda row: url("/admin/recommendations", tip=row["tip_id"])),
    Column("category", "Category"), IMPORTED, *COUNTS, *REWARDS,
)  # fmt: skip


@page("/admin/rewards", title="Rewards", group="Learning", icon="bar_chart", order=4)
async def rewards(visit: Visit, days: int = 30, since: str = "", until: str = "", source: str = "ours") -> None:
    """A window, and whose decisions count."""
    if source not in get_args(Source):
        source = "ours"
    address = Address("/admin/rewards", days=days, since=since, until=until, source=source)
    parts = visit.parts
    nothing, _ = await why_nothing(parts, NOTHING["ours"])
    shown: list[dict[str, Any]] = []
    by_tips: list[dict[str, Any]] = []

    async def load(window: Window) -> None:
        whose: Source = address.values["source"]
        reports = ("daily_reactions", "policies_compared", "daily_rewards", "rewards_by_category", "rewards_by_tip")
        asked = (of_window(parts, name, window, whose) for name in reports)
        (daily, policies, by_day, categories, by_tip), random = await asyncio.gather(
            asyncio.gather(*asked), random_estimate(parts, window, whose)
        )
        named = _named(policies, "policy")
        none = await why_nothing(parts, NOTHING[whose])
        reactions.show(daily, nothing=none)
        means.show(named, nothing=none)
        shown[:] = named
        compare.show(shown)
        curve.show(_named(by_day, "policy"), nothing=none)
        grouped = [row | {"category": row["category"] or "not in the catalog"} for row in categories]
        category.show(_named(grouped, "category"), nothing=none)
        by_tips[:] = [row | {"title": row["title"] or row["tip_id"], "kind": _kind(row)} for row in by_tip]
        tips.show(by_tips)
        row.clear()
        with row:
            _figures(policies, random)

    async def choose(value: Source) -> None:
        address.set(source=value)
        await bar.refresh()

    bar = WindowBar(visit.watch, address, load)
    with bar.more:
        toggle(SOURCES, source, choose, label="Whose decisions")
    row = figures(5)
    reactions = Chart(
        "Reactions per day", stacked_days(ACTIONS), (Column("day", "Day", "time"), *COUNTS, *REACTIONS), height=300,
        note="What stands now of each day's decisions",
    )  # fmt: skip
    with ui.element("div").classes("cols"):
        means = Chart(
            "Mean reward by policy", intervals("name", "reward_per_decision", "ci_low", "ci_high"), POLICIES,
            note="A decision without a reaction counts 0; the line is the 95 % interval",
        )  # fmt: skip
        curve = Chart(
            "Mean reward per day", daily_lines("reward_per_decision", group="name"),
            (Column("day", "Day", "time"), Column("name", "Policy"), *COUNTS, *REWARDS),
            note="By policy; young days still gain reactions",
        )  # fmt: skip
    with panel("Policies compared", note=COMPARED, flush=True) as compared:
        with compared.actions:
            csv_button("Policies compared", POLICIES, lambda: shown)
        compare = Table(POLICIES, (), label="Policies compared", page_size=0, nothing=f"{nothing}.")
    category = Chart(
        "Mean reward by category", intervals("name", "reward_per_decision", "ci_low", "ci_high"),
        (Column("name", "Category"), *COUNTS, *REWARDS),
    )  # fmt: skip
    with panel("Tips", note="The most shown first; each links to its decisions", flush=True) as listed:
        with listed.actions:
            csv_button("Tips", TIPS, lambda: by_tips)
        tips = Table(TIPS, (), label="Tips", page_size=10, nothing=f"{nothing}.")


def _kind(row: Row) -> str:
    return "imported" if row["external"] else "ours"


def _named(rows: Sequence[dict[str, Any]], field: str) -> list[dict[str, Any]]:
    """Rows with the name that charts show, and what tables add."""
    return [
        row
        | {
            "name": f"{row[field]} (imported)" if row["external"] else row[field],
            "kind": _kind(row),
            "reaction_rate": row["reacted"] / row["decisions"],
        }
        for row in rows
    ]


def _figures(policies: Sequence[Row], random: Row) -> None:
    decisions, reacted = (sum(row[name] for row in policies) for name in ("decisions", "reacted"))
    earned = sum(row["reward_sum"] for row in policies)
    figure("Tips shown", count(decisions), note="decisions in the window", target="/admin/recommendations")
    figure("Reacted to", percent(reacted / decisions if decisions else None), note=amount(reacted, "decisions"))
    figure("Reward per decision", number(earned / decisions if decisions else None), note="no reaction yet counts 0")
    figure("Reward per reaction", number(earned / reacted if reacted else None), note="decisions with a reaction only")
    figure("A random tip's reward", number(random["estimate"]), note=_compared(random))


def _compared(random: Row) -> str:
    """How the estimate of a random choice compares with what the same decisions earned."""
    if random["estimate"] is None:
        return "estimated once decisions are 24 h old"
    doubt = 1.96 * (random["stderr"] or 0)
    return f"± {doubt:.3f}, estimated; chosen ones earned {number(random['reward_per_decision'])}"
