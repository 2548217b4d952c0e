"""The history of admin actions: who did what and when, why, and what came of it."""

from typing import Annotated, Any

import orjson
from fastapi import Query
from pydantic import BaseModel

from contracts.events.base import MAX_INTEGER
from contracts.events.registry import EVENTS
from projections.folds.tables import ADMIN_ACTIONS
from services.api.admin.reports import report
from services.api.admin.router import admin_router
from services.api.admin.rows import row_model
from services.api.parts import Parts, PartsOf

router = admin_router("/actions")

TYPES: tuple[str, ...] = tuple(event.TYPE for event in EVENTS if event.SIGNED)
"""Every type of action there is, without its version."""

ActionRow = row_model(ADMIN_ACTIONS)


class Action(ActionRow):  # type: ignore[misc,valid-type]
    """One signed event; `result` is what came of it: done, running, or an outcome such as failed."""

    result: str


class Actor(BaseModel):
    """Somebody who has acted, and how often."""

    actor: str | None
    actions: int


@router.get("", response_model=list[Action])
async def get_actions(
    parts: PartsOf,
    actor: Annotated[str | None, Query(description="exactly this name")] = None,
    type: Annotated[str | None, Query(description="such as tipstream.policy.disabled")] = None,
    text: Annotated[str | None, Query(description="in subject, reason or body", max_length=512)] = None,
    statements: Annotated[bool, Query(description="SQL statements too")] = True,
    before: Annotated[int | None, Query(ge=1, le=MAX_INTEGER, description="older than this sequence")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[dict[str, Any]]:
    """Who did what and when, the latest first."""
    return await history(
        parts, actor=actor, kind=type, text=text, statements=statements, before=before, limit=limit
    )  # fmt: skip


@router.get("/actors")
async def get_actors(parts: PartsOf) -> list[Actor]:
    """Everybody who has acted."""
    return [Actor.model_validate(row) for row in await actors(parts)]


async def history(
    parts: Parts,
    *,
    actor: str | None = None,
    kind: str | None = None,
    text: str | None = None,
    statements: bool = True,
    before: int | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Actions with their results, older than `before`, the latest first. Raises BusUnavailable, RequestFailed."""
    rows = await report(
        parts, "admin_actions", limit=limit, actor=actor or None, kind=kind or None, text=text or None,
        statements=statements, before=before,
    )  # fmt: skip
    return [row | {"body": orjson.loads(row["body"])} for row in rows]


async def actors(parts: Parts) -> list[dict[str, Any]]:
    """Names of who has acted, with counts. Raises BusUnavailable, RequestFailed."""
    return await report(parts, "actors")
