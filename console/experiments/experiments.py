"""A/B experiments: all that ran, the one that runs, and the form that starts another."""

from asyncio import to_thread
from typing import Any

from nicegui import ui
from pydantic import ValidationError

from console.addresses import experiment_url
from console.components.confirm import reasoned
from console.components.filters import choice_filter, number_field, text_filter
from console.components.later import later
from console.components.notice import empty, notice
from console.components.panel import panel
from console.components.table import Column, Row, Table
from console.experiments.outcome import Outcome
from console.frame import Visit
from console.moments import moment, percent
from console.operations.climbing import climb
from services.api.admin.commands import Commanded, folded
from services.api.admin.experiment_orders import (
    ExperimentOrder,
    ExperimentPlan,
    plan_experiment,
    start_experiment,
)
from services.api.admin.experiments import experiments
from services.api.admin.ladder import policies
from services.problems import Problem, fields_of
from services.recommender.assignment import ALLOWED

COLUMNS = (
    Column("name", "Experiment", link=lambda row: experiment_url(row["experiment_id"])),
    Column("experiment_id", "Id", "id"),
    Column("state", "State", "chip", tone=lambda row: "accent" if row["state"] == "running" else ""),
    Column("split", "Arms"),
    Column("holdback", "Held back", "number", show=percent),
    Column("started_at", "Started", "time", show=moment),
    Column("stopped_at", "Stopped", "time", show=moment),
)

FAULTS = {
    "experiment_id": ("Id", "needs 1 to 64 letters, digits and . _ -, such as greedy-1"),
    "name": ("Name", "needs some words, at most 4000 characters"),
    "arms": ("Weights", "two policies or more need one"),
    "holdback": ("Held back, %", "must be 0 or more and below 100"),
}
"""What the form says of a field that cannot be used, under the name that stands there."""


class Experiments:
    """The panel of all experiments, with the outcome of the one that runs under it."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    async def show(self) -> None:
        """Build it from the read model."""
        found = await to_thread(experiments, self._visit.parts)
        running = [row for row in found if row["stopped_at"] is None]
        note = "Policies side by side, each for its share of people, by a hash of the person"
        with panel("A/B experiments", note=note):
            if found:
                Table(COLUMNS, [_shown(row) for row in found], label="A/B experiments", page_size=10)
            else:
                empty(
                    "No experiment was started", "Choose two policies that are live or shadow, and start one.",
                    link="Policies", target="/admin/ops", icon="science",
                )  # fmt: skip
            if not running and self._visit.may("operate"):
                await self._form()
        for row in running:
            later(self._visit.watch, Outcome(self._visit, row["experiment_id"]).show, 92, 320, part="analytics")

    async def _form(self) -> None:
        rows = await to_thread(policies, self._visit.parts)
        allowed = [str(row["policy"]) for row in rows if row["standing"] in ALLOWED]
        if len(allowed) < 2:
            ui.label("An experiment needs two policies that are live or shadow.").classes("muted")
            return
        with ui.element("div").classes("line wrap end"):
            self._name = text_filter("Name", "", lambda _: None, hint="what is asked")
            self._id = text_filter("Id", "", lambda _: None, hint="such as greedy-1")
            self._base = choice_filter("Compared with", {name: name for name in allowed}, allowed[0], lambda _: None)
        # Apart from the texts, which grow as they are filled, so that the button stays where it is.
        with ui.element("div").classes("line wrap end"):
            self._weights = {name: number_field(f"Weight {name}", 1.0, hint="not in it") for name in allowed}
            self._holdback = number_field("Held back, %", 0.0)
            ui.button("Preview…", on_click=self._preview, color="primary").props("unelevated")
        self._trouble = ui.element("div").classes("w-full")

    def _order(self) -> ExperimentOrder:
        """What the form says. Raises Problem naming the field."""
        arms = [
            {"policy": name, "weight": float(field.value)}
            for name, field in sorted(self._weights.items(), key=lambda one: one[0] != self._base.value)
            if field.value
        ]
        if not self._weights[self._base.value].value:
            raise Problem.invalid(
                [("Weights", f"{self._base.value}, which the others are compared with, needs a weight")]
            )
        given: dict[str, Any] = {
            "experiment_id": (self._id.value or "").strip(),
            "name": (self._name.value or "").strip(),
            "arms": arms,
            "holdback": float(self._holdback.value or 0) / 100,
        }
        try:
            return ExperimentOrder.model_validate(given)
        except ValidationError as error:
            raise Problem.invalid([FAULTS.get(field, (field, wrong)) for field, wrong in fields_of(error)]) from None

    async def _preview(self) -> None:
        self._trouble.clear()
        try:
            order = self._order()
            plan = await to_thread(plan_experiment, self._visit.parts, order)
        except Problem as problem:
            with self._trouble:
                notice(str(problem), tone="bad")
            return
        await self._ask(order, plan)

    async def _ask(self, order: ExperimentOrder, plan: ExperimentPlan) -> None:
        visit = self._visit
        reason = await reasoned(f"Start {order.name}?", said(plan), action="Start")
        if reason is None:
            return
        await visit.check("operate")

        async def act(force: bool, why: str | None) -> Commanded:
            asked = order.model_copy(update={"salt": plan.salt, "reason": why or None, "force": force})
            return await start_experiment(visit.parts, asked, visit.actor)

        done = await climb(act, f"Force {order.name}?", reason)
        if done is None:
            return
        await folded(visit.parts, done.seq)
        ui.navigate.to(experiment_url(order.experiment_id))


def said(plan: ExperimentPlan) -> str:
    """The split in words."""
    lines = [
        f"{arm.policy or 'held back'}: {percent(arm.share)} of people, {arm.people:,} of {plan.people:,} seen lately"
        for arm in plan.arms
        if arm.share
    ]
    lines.append("People keep their arm until the experiment is stopped; those held back get live policies as now.")
    return "\n".join(lines)


def _shown(row: Row) -> dict[str, Any]:
    total = sum(arm["weight"] for arm in row["arms"])
    split = ", ".join(f"{arm['policy']} {percent(arm['weight'] / total)}" for arm in row["arms"])
    return dict(row) | {"state": "stopped" if row["stopped_at"] else "running", "split": split}
