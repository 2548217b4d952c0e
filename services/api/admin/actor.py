"""Who acts: each admin route asks for a permission and gets the name of whoever has it."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBasic

from services.accounts.identity import Identity
from services.accounts.roles import Permission
from services.auth import ADMIN_USER, bearer
from services.problems import Problem

# It only writes the scheme into OpenAPI; the gate reads the header itself.
_basic = HTTPBasic(auto_error=False, description=f"user {ADMIN_USER} and the admin password")


def require(permission: Permission) -> Callable[..., Awaitable[str]]:
    """A route's dependency: the name of somebody who has this permission, else 403."""

    async def ask(
        request: Request, _: Annotated[object, Depends(bearer)] = None, __: Annotated[object, Depends(_basic)] = None
    ) -> str:
        return permitted(request.scope.get("identity"), permission).name

    return ask


async def whoever(request: Request) -> Identity:
    """A route's dependency: who acts and what they may do, for routes where that says how far they go."""
    return permitted(request.scope.get("identity"), "view")


def permitted(identity: Identity | None, permission: Permission) -> Identity:
    """Somebody who may do this. Raises Problem 401 for nobody, 403 for one who may not."""
    if identity is None:
        raise Problem(401, "Log in first", "the session has ended; log in again at /login")
    if not identity.may(permission):
        may = ", ".join(sorted(identity.permissions))
        raise Problem(403, "Not permitted", f"{identity.name} may {may}; this takes {permission}")
    return identity


Viewer = Annotated[str, Depends(require("view"))]
Analyst = Annotated[str, Depends(require("sql"))]
Operator = Annotated[str, Depends(require("operate"))]
Administrator = Annotated[str, Depends(require("administer"))]
Somebody = Annotated[Identity, Depends(whoever)]
