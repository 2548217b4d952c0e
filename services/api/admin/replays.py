"""Replays: asking for one, and how those asked for went; the replay worker carries them out."""

from dataclasses import asdict
from typing import Annotated, Any, get_args

from fastapi import Query, Response
from pydantic import BaseModel, Field, ValidationError

from contracts.events.admin import Projection, ReplayRequested
from contracts.events.base import Id, Part, Position, Text
from contracts.times import Moment
from projections.folds.tables import REPLAYS
from projections.replay import BadBound, last_seq_of, plan_replay
from services.api.admin.actor import Operator
from services.api.admin.commands import command
from services.api.admin.router import admin_router
from services.api.admin.rows import present, row_model
from services.api.parts import Parts, PartsOf
from services.api.replay_progress import Progress
from services.problems import Problem, fields_of
from services.publishing import new_id

router = admin_router("/replay-signal")

EVERY: tuple[Projection, ...] = get_args(Projection)


class ReplayShown(row_model(REPLAYS)):  # type: ignore[misc]
    """A replay that was asked for: `progress` while it runs, `outcome` once it has ended, neither while it waits."""

    progress: Progress | None = None


class ReplayOrder(Part):
    """What to fold again beside the live: all projections or some, one person, up to a sequence or a time.

    `dry_run` only says what would be touched; `back` undoes the last switch, whatever that was of.
    """

    projections: Annotated[list[Projection], Field(min_length=1)] | None = None
    user_id: Id | None = None
    upto_seq: Position | None = None
    upto_time: Moment | None = None
    dry_run: bool = False
    back: bool = False
    reason: Text | None = None


class ReplayAsked(BaseModel):
    """The request stands in the stream at `seq`; follow it at `/api/admin/replay-signal/{replay_id}`."""

    replay_id: str
    event_id: str
    seq: int


class TouchedProjection(BaseModel):
    """One projection of a plan: the live version, where it stands, and what would become of it."""

    projection: Projection
    live_version: int | None
    live_seq: int | None
    upto_seq: int
    effect: str


class ReplayPlan(BaseModel):
    """What a dry run answers: nothing was published or written; `complaint` says why it could not be called full."""

    events: int
    touched: list[TouchedProjection]
    complaint: str


@router.post("", status_code=202, responses={200: {"model": ReplayPlan, "description": "the plan of a dry run"}})
async def post_replay(
    order: ReplayOrder, parts: PartsOf, actor: Operator, response: Response
) -> ReplayAsked | ReplayPlan:
    """Ask for a replay; with `dry_run` only what it would touch is answered, with 200."""
    if not order.dry_run:
        return await ask_for_replay(parts, order, actor)
    response.status_code = 200
    return await plan(parts, order)


@router.get("", response_model=list[ReplayShown])
def get_replays(parts: PartsOf, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[dict[str, Any]]:
    """The replays asked for, the latest first; `outcome` is null until one has ended."""
    return replays(parts, limit)


@router.get("/{replay_id}", response_model=ReplayShown)
def get_replay(replay_id: str, parts: PartsOf) -> dict[str, Any]:
    """One replay."""
    return replay(parts, replay_id)


async def ask_for_replay(parts: Parts, order: ReplayOrder, actor: str) -> ReplayAsked:
    """Publish the request. Raises Problem for bounds that exclude each other or that the log does not have."""
    event = _request(order)
    try:
        await last_seq_of(parts.link.bus, event)
    except BadBound as error:
        raise _unreachable(order, error) from None
    asked = await command(parts, event, actor, event_id=event.replay_id)
    return ReplayAsked(replay_id=event.replay_id, event_id=asked.event_id, seq=asked.seq)


async def plan(parts: Parts, order: ReplayOrder) -> ReplayPlan:
    """What the order would touch. Raises Problem for a bound that the log does not have."""
    try:
        found = await plan_replay(parts.link.bus, _request(order))
    except BadBound as error:
        raise _unreachable(order, error) from None
    return ReplayPlan.model_validate(asdict(found))


def _unreachable(order: ReplayOrder, error: BadBound) -> Problem:
    return Problem.invalid([("upto_seq" if order.upto_time is None else "upto_time", str(error))])


def _request(order: ReplayOrder) -> ReplayRequested:
    if order.back:
        given = [name for name in ("user_id", "upto_seq", "upto_time") if getattr(order, name) is not None]
        if given:
            raise Problem.invalid([(name, "does not go with back, which undoes a whole switch") for name in given])
    try:
        return ReplayRequested(
            replay_id=new_id(),
            mode="back" if order.back else "rebuild",
            projections=list(dict.fromkeys(order.projections or EVERY)),
            user_id=order.user_id,
            upto_seq=order.upto_seq,
            upto_time=order.upto_time,
            reason=order.reason,
        )
    except ValidationError as error:
        raise Problem.invalid(
            [("upto_seq" if name == "body" else name, said) for name, said in fields_of(error)]
        ) from None


def replays(parts: Parts, limit: int = 100) -> list[dict[str, Any]]:
    """Rows of replays with the progress of the one that runs, the latest first."""
    return [_shown(parts, row) for row in parts.read_model.replays(limit)]


def replay(parts: Parts, replay_id: str) -> dict[str, Any]:
    """One replay and its progress. Raises Problem 404 when it was not asked for, or not folded yet."""
    row = parts.read_model.replay(replay_id)
    if row is None:
        detail = "no such replay has been asked for, or not been folded yet"
        raise Problem(404, "Not Found", detail, field="replay_id")
    return _shown(parts, row)


def _shown(parts: Parts, row: dict[str, Any]) -> dict[str, Any]:
    progress = None if row["outcome"] else parts.replaying.of(row["replay_id"])
    return present(REPLAYS, row) | {"progress": progress}
