"""People: who was seen, what is known of one, and the command that forgets what was learned of them."""

import asyncio
from typing import Annotated, Any

from fastapi import Query, Response
from pydantic import BaseModel

from contracts.events.admin import BanditReset
from projections.folds.tables import BANDIT_STATS, FEATURE_HISTORY, FEEDBACK, ONLINE_FEATURES, TIP_SCORES, USERS
from services.api.admin.actor import Operator
from services.api.admin.commands import Commanded, Reason, command
from services.api.admin.router import admin_router
from services.api.admin.rows import present, row_model
from services.api.parts import Parts, PartsOf
from services.api.paths import UserInPath
from services.paths import USER_ID
from services.problems import Problem

router = admin_router("/users")

SHOWN_DECISIONS = 20
UserRow, StatsRow = row_model(USERS), row_model(BANDIT_STATS, "s", "c")


class Person(BaseModel):
    """What the read model holds of one person; the latest decisions, feedback and feature vectors first."""

    user: dict[str, Any]
    stats: list[dict[str, Any]]
    online_features: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    feedback: list[dict[str, Any]]
    feature_history: list[dict[str, Any]]


class ResetOrder(Reason):
    """Why, and with `dry_run` only what would be forgotten."""

    dry_run: bool = False


class ResetPlan(BaseModel):
    """What a reset would forget: nothing was published. `unanswered` decisions would no longer be learned from when
    their reaction comes; tables and reports keep what happened."""

    user_id: str
    pulls: int
    cumulative_reward: float
    feature_sets: list[str]
    unanswered: int
    reset_seq: int


@router.get("", response_model=list[UserRow])  # type: ignore[valid-type]
def get_users(
    parts: PartsOf,
    search: Annotated[str | None, Query(description="how the id begins, or a part of it", max_length=512)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
) -> list[dict[str, Any]]:
    """People, the latest seen first."""
    return users(parts, search=search, limit=limit, offset=offset)


@router.post(
    f"/{USER_ID}/reset", status_code=202, responses={200: {"model": ResetPlan, "description": "the plan of a dry run"}}
)
async def post_reset(
    user_id: UserInPath, parts: PartsOf, actor: Operator, response: Response, order: ResetOrder | None = None
) -> Commanded | ResetPlan:
    """Forget what was learned of a person; decisions made before are no longer learned from. With `dry_run` only what
    would be forgotten is answered, with 200."""
    order = order or ResetOrder()
    if not order.dry_run:
        return await reset(parts, user_id, actor, order.reason)
    response.status_code = 200
    return await asyncio.to_thread(reset_plan, parts, user_id)


@router.get(f"/{USER_ID}")
def get_user(user_id: UserInPath, parts: PartsOf) -> Person:
    """Activity, learning, signals and latest decisions of one person."""
    return person(parts, user_id)


def users(parts: Parts, *, search: str | None = None, limit: int = 100, offset: int = 0) -> list[dict[str, Any]]:
    """Rows of people whose id begins with `search` or holds it, the latest seen first."""
    return [present(USERS, row) for row in parts.read_model.users(search=search, limit=limit, offset=offset)]


def person(parts: Parts, user_id: str) -> Person:
    """Everything about one person. Raises Problem 404 for one who was never seen."""
    model = parts.read_model
    user = model.user(user_id)
    if user is None:
        raise Problem(404, "Not Found", "nobody of that id was seen in the stream", field="user_id")
    return Person(
        user=present(USERS, user),
        stats=[present(BANDIT_STATS, row, "s", "c") for row in model.stats(user_id)],
        online_features=[present(ONLINE_FEATURES, row) for row in model.online_features(user_id)],
        decisions=[present(TIP_SCORES, row) for row in model.decisions(user_id, SHOWN_DECISIONS)],
        feedback=[present(FEEDBACK, row) for row in model.feedback_from(user_id, SHOWN_DECISIONS)],
        feature_history=[present(FEATURE_HISTORY, row) for row in model.feature_history(user_id)],
    )


def reset_plan(parts: Parts, user_id: str) -> ResetPlan:
    """What a reset of a person would forget, as the read model has it; of somebody unknown that is nothing."""
    stats = parts.read_model.stats(user_id)
    reset_seq = max((row["reset_seq"] for row in stats), default=0)
    return ResetPlan(
        user_id=user_id,
        pulls=sum(row["pulls"] for row in stats),
        cumulative_reward=sum(row["cumulative_reward"] for row in stats),
        feature_sets=[row["feature_set"] for row in stats],
        unanswered=parts.read_model.unanswered(user_id, reset_seq),
        reset_seq=reset_seq,
    )


async def reset(parts: Parts, user_id: str, actor: str, reason: str | None = None) -> Commanded:
    """Publish the reset."""
    return await command(parts, BanditReset(user_id=user_id, reason=reason), actor)
