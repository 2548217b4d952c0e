"""Starting and stopping an A/B experiment: who would be in which arm, and the two commands."""

from collections import Counter
from typing import Annotated, Any

from fastapi import Response
from pydantic import BaseModel, Field

from contracts.events.admin import Arm, ExperimentStarted, ExperimentStopped
from contracts.events.base import Name, Part, Text
from ml.experiments.assignment import arm_of, shares
from ml.policies.registry import POLICIES
from services.api.admin.actor import Operator
from services.api.admin.commands import Commanded, Reason, command, forced, seen, turn
from services.api.admin.ladder import check_climb
from services.api.admin.router import admin_router
from services.api.parts import Parts, PartsOf
from services.problems import Problem
from services.publishing import new_id
from services.recommender.assignment import ALLOWED

router = admin_router("/experiments")

PREVIEWED = 5000
PLACES = frozenset({"population", "users"})


class ExperimentOrder(Part):
    """Arms are policies with weights in any unit; the first is what the others are compared with.

    `holdback` is the share of people left out, who get live policies as before. With `dry_run` only the split is
    answered; start with its `salt` to get exactly that split.
    """

    experiment_id: Name
    name: Annotated[Text, Field(min_length=1)]
    arms: Annotated[list[Arm], Field(min_length=2, max_length=20)]
    holdback: Annotated[float, Field(ge=0, lt=1)] = 0.0
    salt: Annotated[Text, Field(min_length=1, description="drawn when left out")] | None = None
    dry_run: bool = False
    force: Annotated[bool, Field(description="let a policy decide that has not shadowed for long enough")] = False
    reason: Text | None = None


class PlannedArm(BaseModel):
    """A policy's share of all people, and how many of those seen lately it would get; null: those held back."""

    policy: str | None
    share: float
    people: int


class ExperimentPlan(BaseModel):
    """What a dry run answers: the split of the people seen lately; nothing was published."""

    salt: str
    people: int
    arms: list[PlannedArm]


@router.post("", status_code=202, responses={200: {"model": ExperimentPlan, "description": "the plan of a dry run"}})
async def post_experiment(
    order: ExperimentOrder, parts: PartsOf, actor: Operator, response: Response
) -> Commanded | ExperimentPlan:
    """Start an experiment; with `dry_run` only who would get what is answered, with 200."""
    if not order.dry_run:
        return await seen(parts, await start_experiment(parts, order, actor))
    response.status_code = 200
    return plan_experiment(parts, order)


@router.post("/{experiment_id}/stop", status_code=202)
async def post_stop(experiment_id: str, parts: PartsOf, actor: Operator, body: Reason | None = None) -> Commanded:
    """Stop an experiment: nobody is assigned by it any more, and its results stand."""
    return await seen(parts, await stop_experiment(parts, experiment_id, actor, body.reason if body else None))


def plan_experiment(parts: Parts, order: ExperimentOrder) -> ExperimentPlan:
    """The split of the people seen lately. Raises Problem: 422 naming the field, 409 naming the one that runs."""
    _check(parts, order)
    salt, weights = order.salt or new_id(), [arm.weight for arm in order.arms]
    people = [str(row["user_id"]) for row in parts.read_model.users(limit=PREVIEWED)]
    found = Counter(arm_of(person, salt, weights, order.holdback) for person in people)
    policies = [*(arm.policy for arm in order.arms), None]
    planned = zip(policies, shares(weights, order.holdback), [*range(len(weights)), None], strict=True)
    arms = [PlannedArm(policy=policy, share=share, people=found[place]) for policy, share, place in planned]
    return ExperimentPlan(salt=salt, people=len(people), arms=arms)


async def start_experiment(parts: Parts, order: ExperimentOrder, actor: str) -> Commanded:
    """Publish the start. Raises Problem: 422 naming the field, 409 naming the one that runs, or the policy that has not
    shadowed for long enough."""
    async with turn(parts):
        _check(parts, order)
        for arm in order.arms:
            await check_climb(parts, arm.policy, {}, force=order.force, reason=order.reason)
        event = ExperimentStarted(
            experiment_id=order.experiment_id,
            name=order.name,
            salt=order.salt or new_id(),
            arms=order.arms,
            holdback=order.holdback,
            reason=forced(order.reason) if order.force else order.reason,
        )
        return await command(parts, event, actor)


async def stop_experiment(parts: Parts, experiment_id: str, actor: str, reason: str | None = None) -> Commanded:
    """Publish the stop. Raises Problem: 404 for one that never started, 409 for one that is stopped."""
    async with turn(parts):
        if experiment(parts, experiment_id)["stopped_at"] is not None:
            raise Problem(409, "It is stopped", f"experiment {experiment_id} is stopped already", field="experiment_id")
        return await command(parts, ExperimentStopped(experiment_id=experiment_id, reason=reason), actor)


def experiment(parts: Parts, experiment_id: str) -> dict[str, Any]:
    """An experiment's row. Raises Problem 404."""
    row = parts.read_model.experiment(experiment_id)
    if row is None:
        detail = f"no experiment {experiment_id[:80]!r} was started, or its start is not folded yet"
        raise Problem(404, "Not Found", detail, field="experiment_id")
    return row


def _check(parts: Parts, order: ExperimentOrder) -> None:
    if order.experiment_id in PLACES:
        raise Problem.invalid([("experiment_id", f"{order.experiment_id} is a route's own word; choose another id")])
    standing = {str(row["policy"]): str(row["standing"]) for row in parts.read_model.policies()}
    faults, first = [], dict[str, int]()
    for place, arm in enumerate(order.arms):
        field = f"arms[{place}].policy"
        if arm.policy not in POLICIES:
            faults.append((field, f"is unknown; there are {', '.join(sorted(POLICIES))}"))
        elif standing.get(arm.policy, "disabled") not in ALLOWED:
            faults.append((field, f"{arm.policy} is disabled; enable or shadow it first"))
        elif first.setdefault(arm.policy, place) != place:
            faults.append((field, f"{arm.policy} stands at arms[{first[arm.policy]}] already"))
        if not 1e-6 <= arm.weight <= 1e6:
            faults.append((f"arms[{place}].weight", "must be 0.000001 to 1000000"))
    if faults:
        raise Problem.invalid(faults)
    for running in parts.read_model.running():
        said = f"experiment {running['experiment_id']} ({running['name']}) runs; stop it first: arms must not overlap"
        extra = {"running": running["experiment_id"]}
        raise Problem(409, "Another experiment runs", said, field="experiment_id", extra=extra)
    if parts.read_model.experiment(order.experiment_id) is not None:
        said = f"experiment {order.experiment_id} ran before, and its results stand under that id; choose another id"
        raise Problem(409, "The id is taken", said, field="experiment_id")
