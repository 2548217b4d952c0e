"""Links to the tips page: whoever has one is that person there, until it expires."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Request
from pydantic import BaseModel, Field

from contracts.events.base import Part
from services.accounts.visitors import LONGEST_DAYS, USUAL_DAYS, link_path
from services.api.admin.actor import Operator
from services.api.admin.router import admin_router
from services.api.parts import Parts, PartsOf
from services.api.paths import UserInPath
from services.paths import USER_ID

router = admin_router("/users")


class LinkFor(Part):
    """How long a link is good for."""

    days: Annotated[int, Field(ge=1, le=LONGEST_DAYS)] = USUAL_DAYS


class TipsLink(BaseModel):
    """`path` is the same for whatever host name people use; deleting HOME/keys/tickets.key ends every link."""

    path: str
    url: str
    expires_at: datetime


@router.post(f"/{USER_ID}/link")
async def post_link(
    user_id: UserInPath, request: Request, parts: PartsOf, actor: Operator, wanted: LinkFor | None = None
) -> TipsLink:
    """Make a link with which a person gets their tips; give it to nobody else."""
    return tips_link(parts, user_id, str(request.base_url), (wanted or LinkFor()).days)


def tips_link(parts: Parts, user_id: str, base_url: str, days: int = USUAL_DAYS) -> TipsLink:
    """A link for one person, good for some days."""
    path, until = link_path(parts.tickets, user_id, days)
    return TipsLink(path=path, url=base_url.rstrip("/") + path, expires_at=datetime.fromtimestamp(until, UTC))
