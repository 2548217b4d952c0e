"""Erasing a person: what it would take, and the request that the replay worker carries out."""

from dataclasses import asdict
from typing import Annotated

from fastapi import Response
from pydantic import BaseModel, Field, StringConstraints

from contracts.events.admin import UserErasureRequested
from contracts.events.base import Part, Text
from contracts.subjects import MAX_ID_CHARS
from projections.erasure import plan_erasure as plan
from services.api.admin.actor import Administrator
from services.api.admin.commands import command
from services.api.admin.router import admin_router
from services.api.parts import Parts, PartsOf
from services.api.paths import UserInPath
from services.paths import USER_ID
from services.problems import Problem
from services.publishing import new_id

router = admin_router("/users")


class ErasureOrder(Part):
    """`confirm` repeats the person's id; with `dry_run` only what would go is answered."""

    dry_run: bool = False
    confirm: Annotated[str, StringConstraints(max_length=MAX_ID_CHARS)] | None = None
    reason: Text | None = Field(default=None, description="goes with the request when it is carried out")


class ErasurePlan(BaseModel):
    """Events that would go, by kind, and their bytes; `quoted` counts texts that hold the id and stay."""

    user_id: str
    upto_seq: int
    events: dict[str, int]
    total: int
    bytes: int
    quoted: dict[str, int]


class ErasureAsked(BaseModel):
    """The request stands in the stream at `seq`; its receipt will be `tips.admin.user.erased.<erasure_id>`."""

    erasure_id: str
    event_id: str
    seq: int


@router.post(
    f"/{USER_ID}/erase",
    status_code=202,
    responses={200: {"model": ErasurePlan, "description": "the plan of a dry run"}},
)
async def post_erase(
    user_id: UserInPath, order: ErasureOrder, parts: PartsOf, actor: Administrator, response: Response
) -> ErasureAsked | ErasurePlan:
    """Erase a person and un-learn what was learned of them; there is no way back."""
    if not order.dry_run:
        return await erase(parts, user_id, actor, confirm=order.confirm, reason=order.reason)
    response.status_code = 200
    return await plan_erasure(parts, user_id)


async def plan_erasure(parts: Parts, user_id: str) -> ErasurePlan:
    """What erasing a person would take; nothing is published or written. Raises BusUnavailable."""
    found = await plan(parts.link.bus, user_id)
    return ErasurePlan(**asdict(found), total=found.total)


async def erase(
    parts: Parts, user_id: str, actor: str, *, confirm: str | None, reason: str | None = None
) -> ErasureAsked:
    """Publish the request; `confirm` must repeat the id. Raises Problem: 422, or 404 when the log knows nobody so."""
    if confirm != user_id:
        raise Problem.invalid([("confirm", "must repeat the id of the person who is to be erased")])
    if not (await plan_erasure(parts, user_id)).total:
        raise Problem(404, "Not Found", "the log holds no event about a person of that id", field="user_id")
    event = UserErasureRequested(user_id=user_id, reason=reason)
    asked = await command(parts, event, actor, event_id=new_id())
    return ErasureAsked(erasure_id=asked.event_id, event_id=asked.event_id, seq=asked.seq)
