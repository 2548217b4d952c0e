"""What another policy would have earned on this log: asked for by a GET, worked out beside the API, kept."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel

from contracts.events.base import Id
from contracts.times import format_time
from ml.evaluation.estimate import Estimate
from ml.evaluation.evaluation import Answer
from ml.evaluation.overlap import Overlap
from ml.policies.params import ParamsError, check
from ml.policies.registry import POLICIES
from projections.off_policy.report import numbers_of
from services.api.admin.rewards import EVERYTHING, of_window
from services.api.admin.router import admin_router
from services.api.admin.windows import Window, WindowOf
from services.api.evaluations import Run, State
from services.api.parts import Parts, PartsOf
from services.problems import Problem

router = admin_router("/evaluation")


class Report(BaseModel):
    """What a policy would have earned a decision; `earned` is what it did earn where it decided itself.

    `taken_as` says what stood for the policy, `logged_by` whose decisions were weighted, `left_out` which were not. A
    `refusal` says why the log cannot answer, a `caution` what to keep in mind.
    """

    policy: str
    taken_as: str
    since: datetime | None
    until: datetime | None
    young: bool
    upto_seq: int
    logged_by: dict[str, int]
    left_out: dict[str, int]
    on_policy: Estimate | None
    earned: Estimate | None
    answers: list[Answer]
    overlap: Overlap
    refusal: str
    caution: str


class Evaluation(BaseModel):
    """An evaluation that waits, runs or is done; ask again for its `report`, which is null until then."""

    state: Literal["waiting", "running", "done"]
    asked_at: datetime
    ended_at: datetime | None
    report: Report | None


Params = Annotated[list[str], Query(description="such as `alpha=0.3`; as the policy stands when none is given")]


@router.get("")
async def get_evaluation(
    parts: PartsOf,
    window: WindowOf,
    policy: Annotated[Id, Query(description="one of ours, or one whose decisions were imported")],
    params: Params = [],  # noqa: B006
    young: Annotated[bool, Query(description="also decisions younger than 24 h")] = False,
    again: Annotated[bool, Query(description="evaluate anew, on the log as it is now")] = False,
) -> Evaluation:
    """What a policy would have earned; the first answer says `running`, the report follows when asked again."""
    return evaluation(parts, policy, params, window=window, young=young, again=again)


def evaluation(
    parts: Parts,
    policy: str,
    params: list[str] | None = None,
    *,
    window: Window = EVERYTHING,
    young: bool = False,
    again: bool = False,
) -> Evaluation:
    """The evaluation of a policy, begun if need be. Raises Problem naming the field that cannot be used, or 503."""
    run = parts.evaluations.of(_arguments(policy, params or [], window, young), again=again)
    state: State = run.state
    if state == "failed":
        raise Problem.invalid([("policy", run.problem)])
    return Evaluation(state=state, asked_at=_moment(run.asked_us), ended_at=_ended(run), report=_report(run))


async def imported_policies(parts: Parts) -> list[str]:
    """The policies whose decisions were imported. Raises BusUnavailable, RequestFailed."""
    return [row["policy"] for row in await of_window(parts, "policies_compared", EVERYTHING, "imported")]


def _arguments(policy: str, params: list[str], window: Window, young: bool) -> list[str]:
    """The options of the command, checked as far as this process can."""
    arguments = ["--policy", policy]
    try:
        if policy in POLICIES:
            check(policy, numbers_of(params))
    except ParamsError as error:
        raise Problem.invalid([("params", str(error))]) from None
    for text in params:
        arguments += ["--params", text]
    if window.first or window.last:
        arguments += ["--window", f"{window.first or ''}..{window.last or ''}"]
    return [*arguments, "--young"] if young else arguments


def _report(run: Run) -> Report | None:
    return None if run.report is None else Report.model_validate(run.report)


def _ended(run: Run) -> Any:
    return None if run.ended_us is None else _moment(run.ended_us)


def _moment(us: int) -> Any:
    return format_time(us)
