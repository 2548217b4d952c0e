"""Off-policy: what another policy would have earned on this log, by every estimator, or why the log cannot answer."""

import asyncio
from typing import Any

from nicegui import ui

from console.addresses import Address
from console.components.chart import Chart
from console.components.filters import choice_filter, text_filter, toggle
from console.components.notice import empty, notice
from console.components.panel import figure, figures
from console.components.plots import intervals
from console.components.table import Column
from console.components.window import WindowBar
from console.frame import Visit, page
from console.moments import amount, count, moment, percent
from contracts.errors import TipstreamError
from ml.policies.registry import POLICIES
from services.api.admin.evaluation import Evaluation, Report, evaluation, imported_policies
from services.api.admin.windows import Window
from services.bus.errors import BusUnavailable, RequestFailed

PATH = "/admin/evaluation"
LOOK_AGAIN_S = 1.0
MOST_PARAMS = 200
NEXT = (
    "Choose a policy and a window, then press Evaluate: the whole log is walked over beside the API, which takes about "
    "as long as verifying it."
)
YOUNG = {False: "24 h and older", True: "Young ones too"}


def number(value: float | None) -> str:
    """A reward, to four digits after the point."""
    return "–" if value is None else f"{value:.4f}"


COLUMNS = (
    Column("name", "Estimator"),
    Column("value", "/ decision", "number", show=number),
    Column("low", "95 % from", "number", show=number),
    Column("high", "to", "number", show=number),
    Column("stderr", "Std. error", "number", show=number),
)


@page(PATH, title="Off-policy", group="Learning", icon="balance", order=6)
async def off_policy(
    visit: Visit,
    policy: str = "",
    params: str = "",
    days: int = 0,
    since: str = "",
    until: str = "",
    young: bool = False,
) -> None:
    """A policy with its parameters, and which decisions count."""
    found = Address(PATH, policy=policy, params=params[:MOST_PARAMS], days=days, since=since, until=until, young=young)
    await OffPolicyPage(visit, found).begin()


class OffPolicyPage:
    """The question stands in the address; an evaluation that was asked for is looked after until it is done."""

    def __init__(self, visit: Visit, address: Address) -> None:
        self._visit, self._address = visit, address
        self._window = Window()
        self._known: list[str] = []
        self._asked = bool(address.values["policy"])

    async def begin(self) -> None:
        """The filters, then what is known."""
        self._known = await self._policies()
        bar = WindowBar(self._visit.watch, self._address, self._load)
        choices = {"": "Choose a policy"} | {name: name for name in self._known}
        values = self._address.values
        with bar.more:
            choice_filter("Policy", choices, values["policy"] if values["policy"] in choices else "", self._choose)
            text_filter("Parameters", values["params"], self._tune, hint="alpha=0.3, epsilon=0.1")
            toggle(YOUNG, values["young"], self._age, label="Decisions")
            self._button = ui.button("Evaluate", on_click=self._again, color=None).props("outline")
        self._place = ui.element("div").classes("stack w-full")
        self._timer = ui.timer(LOOK_AGAIN_S, self._look, active=False)

    async def _policies(self) -> list[str]:
        try:
            return [*POLICIES, *await asyncio.wait_for(imported_policies(self._visit.parts), 2.0)]
        except (BusUnavailable, RequestFailed, TimeoutError):
            # The page is of use without the analytics process too.
            return [*POLICIES, *filter(None, [self._address.values["policy"]])]

    async def _load(self, window: Window) -> None:
        self._window = window
        self._show(again=False)

    def _choose(self, policy: str) -> None:
        self._change(policy=policy)

    def _tune(self, params: str) -> None:
        self._change(params=params[:MOST_PARAMS])

    def _age(self, young: bool) -> None:
        self._change(young=young)

    def _change(self, **changes: Any) -> None:
        """A new question: it is not asked before somebody says so."""
        self._address.set(**changes)
        self._asked = False
        self._timer.deactivate()
        self._say_what_to_do()

    def _again(self) -> None:
        self._asked = True
        self._show(again=True)

    def _look(self) -> None:
        self._show(again=False)

    def _show(self, *, again: bool) -> None:
        if not self._asked or not self._address.values["policy"]:
            self._say_what_to_do()
            return
        values = self._address.values
        params = [text.strip() for text in values["params"].split(",") if text.strip()]
        self._timer.deactivate()
        if values["policy"] not in self._known:
            # The walk over the log would say so too, at its end.
            self._refuse(f"There is no policy {values['policy']!r:.100}; there are {', '.join(self._known)}.")
            return
        try:
            found = evaluation(
                self._visit.parts, values["policy"], params, window=self._window, young=values["young"], again=again
            )
        except TipstreamError as problem:
            self._refuse(str(problem))
            return
        if found.report is None:
            self._timer.activate()
        self._draw(found)

    def _refuse(self, why: str) -> None:
        self._place.clear()
        with self._place:
            notice(why, tone="bad", title="This cannot be evaluated")

    def _say_what_to_do(self) -> None:
        self._place.clear()
        with self._place:
            empty("What would another policy have earned?", NEXT, icon="balance")

    def _draw(self, found: Evaluation) -> None:
        self._place.clear()
        with self._place:
            if found.report is not None:
                _report(found.report, f"the log as it was at {moment(found.asked_at.isoformat())}")
                return
            with ui.element("div").classes("line").props("role=status"):
                ui.spinner(size="20px")
                said = "Walking over the log" if found.state == "running" else "Waiting for another evaluation to end"
                ui.label(f"{said}. This page goes on by itself, and may be left.")


def _report(report: Report, when: str) -> None:
    """Figures, the estimators compared, and what was left out."""
    if report.refusal:
        notice(report.refusal, tone="warn", title="This log cannot answer for this policy")
    elif report.caution:
        notice(report.caution, tone="warn", title="To be read with care")
    seen = report.overlap
    with figures(0):
        figure("Decisions", count(seen.decisions), note="made by " + (", ".join(report.logged_by) or "nobody"))
        figure("Worth", count(round(seen.effective)), note=f"effective decisions, {percent(seen.effective_share)}")
        figure("Mean weight", f"{seen.mean_weight:.3f}", note="1 where the log could show all the policy would")
        figure("Largest weight", f"{seen.largest_weight:,.1f}", note="of one decision")
        figure("Without support", percent(seen.unsupported), note="of what the policy would show")
    Chart(
        "Estimators", intervals("name", "value", "low", "high"), COLUMNS, _known(report), height=300,
        note=f"Reward a decision with 95 % intervals: {report.taken_as}; {when}",
        nothing=("No estimates", "The log cannot answer; the reason stands above."),
    )  # fmt: skip
    for answer in report.answers:
        if answer.estimate is None and not report.refusal:
            notice(answer.refusal, title=f"{answer.estimator} does not answer")
    for why, many in report.left_out.items():
        ui.label(f"{amount(many, 'decisions')} left out: {why}").classes("muted small")


def _known(report: Report) -> list[dict[str, Any]]:
    """A row for each estimate, what was truly earned first."""
    rows = [("The log earned", report.on_policy), (f"{report.policy} itself earned", report.earned)]
    rows += [(answer.estimator, answer.estimate) for answer in report.answers]
    return [
        {"name": name} | {field: getattr(estimate, field) for field in ("value", "low", "high", "stderr")}
        for name, estimate in rows
        if estimate is not None
    ]
