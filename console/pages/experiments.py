"""Experiments: what LinUCB has learned of everybody and of one person, resetting a person, and A/B experiments."""

from collections.abc import Sequence

from nicegui import ui

from console.addresses import Address, user_url
from console.components.chart import Chart, Option
from console.components.later import later
from console.components.panel import figure, figures, panel
from console.components.plots import bars, daily_lines, intervals_over, lines, weights
from console.components.table import Column, Row
from console.components.trouble import Trouble
from console.components.window import WindowBar
from console.experiments.experiments import Experiments
from console.experiments.outcome import Outcome
from console.frame import Visit, page, title_of
from console.moments import count, measured, moment, number, reward
from console.no_decisions import why_nothing
from console.pages.rewards import COUNTS, REWARDS
from console.people.deeds import forgotten
from console.people.picker import Picker, seen
from projections.reports.window import Z
from services.api.admin.experiments import Learned, learned, population
from services.api.admin.windows import Window
from services.problems import Problem

FEW = 20
DAILY = (Column("day", "Day", "time"), Column("policy", "Policy"), *COUNTS, *REWARDS)
DISTRIBUTION = (
    Column("from_pulls", "From pulls", "number"), Column("to_pulls", "To pulls", "number"),
    Column("people", "People", "number", show=count),
)  # fmt: skip
LEARNING = (
    Column("policy", "Policy"), Column("from_reaction", "From reaction", "number"),
    Column("to_reaction", "To reaction", "number"), Column("reacted", "Reactions", "number", show=count),
    Column("reward_per_reaction", "Reward / reaction", "number", show=number),
    Column("stderr", "Standard error", "number", show=number),
)  # fmt: skip
WEIGHTS = (
    Column("feature", "Feature"), Column("theta", "θ", "number"), Column("uncertainty", "σ", "number"),
    Column("width", "α·σ", "number"), Column("description", "What it is"),
)  # fmt: skip
CURVE = (
    Column("n", "Reaction", "number"), Column("occurred_at", "When", "time", show=moment), Column("policy", "Policy"),
    Column("reward", "Reward", "number", show=reward),
    Column("cumulative_reward", "Added up", "number", show=number),
    Column("mean_so_far", "Mean so far", "number", show=number),
)  # fmt: skip

_CURVES = intervals_over(
    "to_reaction", "reward_per_reaction", "low", "high", group="policy", x_label="a person's n-th reaction"
)


@page("/admin/experiments", title="Experiments", group="Learning", icon="science", order=2)
async def learning(
    visit: Visit, user: str = "", experiment: str = "", days: int = 30, since: str = "", until: str = ""
) -> None:
    """Everybody, with `user` one person, or with `experiment` one A/B experiment."""
    if user or experiment:
        ui.page_title(title_of("Experiments", experiment or user))
    if experiment:
        ui.link("All experiments", "/admin/experiments")
        later(visit.watch, Outcome(visit, experiment).show, 92, 320, part="analytics")
        return
    picker = Picker(visit, "/admin/experiments", user)
    picker.build({"Everybody": "/admin/experiments", "All about this person": user_url(user)}, latest=False)
    if user:
        if await seen(visit, user):
            await _Person(visit, user).build()
        return
    await _everybody(visit, Address("/admin/experiments", days=days, since=since, until=until))
    await Experiments(visit).show()


async def _everybody(visit: Visit, address: Address) -> None:
    async def load(window: Window) -> None:
        found = await population(visit.parts, window)
        distribution.show([step.model_dump(mode="json") for step in found.distribution])
        daily.show([day.model_dump(mode="json") for day in found.daily])
        curve.show([step.model_dump(mode="json") for step in found.learning])
        of = found.figures
        row.clear()
        with row:
            figure("People", count(of.people), note="who got a tip of ours", target="/admin/users")
            figure("Pulls", count(of.pulls), note="decisions learned from, since each one's last reset")
            figure(
                "Median pulls",
                "–" if of.median_pulls is None else measured(of.median_pulls),
                note=f"a tenth has more than {of.p90_pulls or 0:,}",
            )
            figure("Without pulls", count(of.without_pulls), note="nobody reacted yet, or all was forgotten")
            figure("Ever reset", count(of.ever_reset), note="people")

    nobody = await why_nothing(visit.parts, ("Nobody reacted in this window", "Choose a longer window."))
    none = await why_nothing(visit.parts, ("No decisions in this window", "Choose a longer window."))
    WindowBar(visit.watch, address, load)
    row = figures(5)
    with ui.element("div").classes("cols"):
        distribution = Chart(
            "Distribution of pulls", bars(_step, "people", name="people"), DISTRIBUTION,
            nothing=("Nobody got a tip yet", "It fills as decisions come in."),
            note="People by pulls since their last reset",
        )  # fmt: skip
        curve = Chart(
            "Learning curve", learning_curve, LEARNING,
            nothing=nobody,
            note="Mean reward of people's n-th reacted decision of the window with its 95 % interval; points of fewer "
            f"than {FEW} reactions are left out where others have more",
        )  # fmt: skip
    daily = Chart(
        "Mean reward over time by policy", daily_lines("reward_per_decision", group="policy"), DAILY,
        nothing=none,
        note="Our own decisions; no reaction counts 0",
    )  # fmt: skip


def learning_curve(rows: Sequence[Row]) -> Option:
    """A line with its band for each policy. The few people with most reactions would look like an effect."""
    known = [row for row in rows if row["reacted"] >= FEW] or rows
    return _CURVES([{**row, "low": _off(row, -Z), "high": _off(row, Z)} for row in known])


def _off(row: Row, errors: float) -> float | None:
    return None if row["stderr"] is None else row["reward_per_reaction"] + errors * row["stderr"]


def _step(row: Row) -> str:
    return str(row["from_pulls"]) if row["from_pulls"] == row["to_pulls"] else f"{row['from_pulls']}–{row['to_pulls']}"


class _Person:
    """One person's learning, and the reset."""

    def __init__(self, visit: Visit, user: str) -> None:
        self._visit, self._user = visit, user

    async def build(self) -> None:
        title = "The scorer holds this, and cannot be asked now"
        self._trouble = Trouble(self._visit.watch, title, self.refresh, part="scorer")
        self._figures = figures(4).props("aria-live=polite")
        with ui.element("div").classes("cols"):
            self._theta = Chart(
                "What counts for this person", weights, WEIGHTS, height=420,
                note="θ by feature; the line is θ ± α·σ, what linucb still doubts",
            )  # fmt: skip
            with ui.element("div").classes("stack"):
                nothing = ("No reactions yet", "It fills as this person reacts to tips.")
                self._sum = Chart(
                    "Reward added up", lines("n", "cumulative_reward", group="line", x_label="reaction"), CURVE,
                    nothing=nothing, height=180, note="Over all reactions, those that a reset forgot too",
                )  # fmt: skip
                self._mean = Chart(
                    "Learning curve", lines("n", "mean_so_far", group="line", x_label="reaction"), CURVE,
                    nothing=nothing, height=180, note="Mean reward a reaction so far",
                )  # fmt: skip
        self._facts = ui.label().classes("muted small break")
        if self._visit.may("operate"):
            with panel("Reset", note="Forget what was learned of this person; tables and reports keep what happened"):
                ui.button("Reset…", on_click=self._reset, color=None).props("outline").classes("tone-bad").style(
                    "align-self: start"
                )
        ui.timer(0, self.refresh, once=True)

    async def refresh(self) -> None:
        self._trouble.clear()
        try:
            found = await learned(self._visit.parts, self._user)
        except Problem as problem:
            self._trouble.show(problem)
            return
        self._theta.show([weight.model_dump() for weight in found.weights])
        curve = [point.model_dump(mode="json") | {"line": "all reactions"} for point in found.curve]
        self._sum.show(curve)
        self._mean.show(curve)
        self._tell(found)

    def _tell(self, found: Learned) -> None:
        since = "since the last reset" if found.reset_seq else "since the beginning"
        self._figures.clear()
        with self._figures:
            figure("Pulls", count(found.pulls), note=f"decisions learned from {since}")
            figure("Cumulative reward", number(found.cumulative_reward), note=since)
            figure("Estimated mean", number(found.estimated_mean), note="reward a pull")
            figure("State version", count(found.state_version), note="changes of what is learned")
        model = "no model" if found.model_version == "none" else f"model {found.model_version}"
        self._facts.text = (
            f"{found.feature_set}, α = {found.alpha:g}, {model}, event {found.seq:,}, digest {found.digest}"
        )

    async def _reset(self) -> None:
        if await forgotten(self._visit, self._user):
            await self.refresh()
