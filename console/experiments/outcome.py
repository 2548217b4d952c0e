"""One experiment: whether its split can be trusted, its arms, the difference between them over time, and its stop."""

from typing import Any

from nicegui import ui

from console.addresses import experiment_url
from console.components.chart import Chart
from console.components.confirm import reasoned
from console.components.notice import chip, heading, notice
from console.components.panel import figure, figures, panel
from console.components.plots import intervals_over
from console.components.table import Column, Table
from console.frame import Visit
from console.moments import amount, count, moment, number, percent
from services.api.admin.commands import folded
from services.api.admin.experiment_orders import stop_experiment
from services.api.admin.experiment_results import ArmResult, Comparison, Results, results

ARMS = (
    Column("arm", "Arm"), Column("share", "Share", "number", show=percent),
    Column("people", "People", "number", show=count), Column("decisions", "Decisions", "number", show=count),
    Column("reacted", "Reacted to", "number", show=count),
    Column("reward_per_decision", "Reward / decision", "number", show=number),
    Column("reward_per_person", "Reward / person", "number", show=number),
    Column("difference", "Difference", "number", show=number), Column("interval", "95 % interval", "number"),
    Column("p_value", "p", "number"), Column("adjusted", "With CUPED", "number"),
    Column("strays", "By another policy", "number", show=count),
)  # fmt: skip
HISTORY = (
    Column("moment", "Moment", "time", show=moment), Column("policy", "Arm"),
    Column("difference", "Difference", "number", show=number), Column("low", "Low", "number", show=number),
    Column("high", "High", "number", show=number), Column("p_value", "p", "number"),
)  # fmt: skip


class Outcome:
    """The results of one experiment, and for those who operate its stop."""

    def __init__(self, visit: Visit, experiment_id: str) -> None:
        self._visit, self._id = visit, experiment_id

    async def show(self) -> None:
        """Ask for the results and build them. Raises Problem 404, BusUnavailable, RequestFailed."""
        found = await results(self._visit.parts, self._id)
        row, base = found.experiment, found.arms[0]
        with ui.element("div").classes("line wrap w-full"):
            heading(2, row.name)
            chip("stopped" if row.stopped_at else "running", "" if row.stopped_at else "accent")
            ui.link("Address of this experiment", experiment_url(self._id))
            if row.stopped_at is None and self._visit.may("operate"):
                ui.button("Stop …", on_click=self._stop, color=None).props("outline")
        notice(
            found.sample_ratio.detail, tone="bad" if found.sample_ratio.alarm else "good",
            title="Sample-ratio alarm" if found.sample_ratio.alarm else "",
        )  # fmt: skip
        with figures(0):
            people = sum(arm.people for arm in found.arms)
            figure("People in it", count(people), note=f"{found.held_back.people:,} held back")
            for arm in found.arms[1:]:
                title = f"{arm.policy} − {base.policy}"
                figure(title, _difference(arm.compared), note=verdict(arm, str(base.policy), found.fewest))
            figure("Spared by CUPED", percent(found.cuped.spared), note=_before(found))
        Chart(
            "Difference over time",
            intervals_over("moment", "difference", "low", "high", group="policy", marks=(0.0,)), HISTORY,
            [point.model_dump(mode="json") for point in found.history if point.low is not None],
            nothing=("Too few people yet", f"It begins once every arm has {found.fewest} people."),
            note=f"Reward a decision minus that of {base.policy}, by the rewards that stand now; the bands hold at "
            "every moment at once, so looking often and stopping early is safe",
        )  # fmt: skip
        with panel("Arms", note="People were split, so doubt is counted between people", flush=True):
            held = [found.held_back] if found.held_back.share else []
            Table(ARMS, [_shown(arm) for arm in [*found.arms, *held]], label="Arms", page_size=0)

    async def _stop(self) -> None:
        await self._visit.check("operate")
        text = (
            "Nobody is assigned by it any more: everybody gets live policies again. Its results stay; it cannot go on."
        )
        reason = await reasoned(f"Stop {self._id}?", text, action="Stop", danger=True)
        if reason is None:
            return
        await self._visit.check("operate")
        done = await stop_experiment(self._visit.parts, self._id, self._visit.actor, reason or None)
        await folded(self._visit.parts, done.seq)
        ui.navigate.to(experiment_url(self._id))


def verdict(arm: ArmResult, base: str, fewest: int) -> str:
    """What can be said of an arm now."""
    found = arm.compared
    if found is None or found.low is None or found.high is None:
        return f"each arm needs {fewest} people first"
    if found.low > 0:
        return f"better than {base}"
    return f"worse than {base}" if found.high < 0 else "no difference shown yet"


def _difference(found: Comparison | None) -> str:
    return "–" if found is None or found.difference is None else f"{found.difference:+.3f}"


def _interval(found: Comparison | None) -> str | None:
    return None if found is None or found.low is None else f"{found.low:+.3f} to {found.high:+.3f}"


def _before(found: Results) -> str:
    return f"of the variance, from {amount(found.cuped.decisions_before, 'decisions')} before it"


def _shown(arm: ArmResult) -> dict[str, Any]:
    compared = arm.compared
    return arm.model_dump() | {
        "arm": arm.policy or "held back",
        "difference": compared.difference if compared else None,
        "interval": _interval(compared),
        "p_value": compared.p_value if compared else None,
        "adjusted": f"{_difference(arm.adjusted)} ({_interval(arm.adjusted)})" if _interval(arm.adjusted) else None,
    }
