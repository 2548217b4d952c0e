"""Who is calling: the API key opens the public doors, the admin password (as Bearer or HTTP Basic) every door."""

import base64
import binascii
import hmac
from typing import Annotated, Literal

from fastapi import Depends, Request
from fastapi.security import HTTPBasic, HTTPBearer

from services.keys import Secrets
from services.problems import Problem

Caller = Literal["api", "admin"]
ADMIN_USER = "admin"
OWN_SITE = ("same-origin", "none")
CHALLENGE = {"WWW-Authenticate": "Bearer"}

# These two only write the schemes into OpenAPI; `caller_of` reads the header itself.
_bearer = HTTPBearer(auto_error=False, description="the API key, or the admin password for everything")
_basic = HTTPBasic(auto_error=False, description=f"user {ADMIN_USER} and the admin password")


def caller_of(authorization: str | None, secrets: Secrets) -> Caller | None:
    """Whom an Authorization header proves, None when it proves nobody; takes the same time for any wrong secret."""
    scheme, _, credential = (authorization or "").partition(" ")
    credential = credential.strip()
    if scheme.lower() == "bearer":
        if _same(credential, secrets.admin_password):
            return "admin"
        return "api" if _same(credential, secrets.api_key) else None
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(credential, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return None
        return "admin" if _same(password, secrets.admin_password) and user == ADMIN_USER else None
    return None


async def require_key(request: Request, _: Annotated[object, Depends(_bearer)] = None) -> Caller:
    """A route's dependency: some key, else 401. The app keeps its `Secrets` in `app.state.secrets`.

    Asynchronous although it awaits nothing: a plain function would be run in a thread, which costs more than scoring.
    """
    caller = caller_of(request.headers.get("authorization"), request.app.state.secrets)
    if caller is None:
        detail = "send the API key as `Authorization: Bearer <key>`; it stands in HOME/secrets/api.key"
        raise Problem(401, "A key is needed", detail, headers=CHALLENGE)
    return caller


async def require_admin(
    request: Request,
    _: Annotated[object, Depends(_bearer)] = None,
    __: Annotated[object, Depends(_basic)] = None,
) -> str:
    """A route's dependency: the admin's name, else 401, or 403 for a key that may not do this."""
    caller = caller_of(request.headers.get("authorization"), request.app.state.secrets)
    if caller is None:
        detail = "send the admin password as Bearer key, or as HTTP Basic with user admin; see HOME/secrets/admin.key"
        raise Problem(401, "An admin key is needed", detail, headers=CHALLENGE)
    if caller != "admin":
        raise Problem(403, "Admins only", "the API key does not open admin routes; use the admin password")
    # A browser sends a remembered Basic password along with whatever another site makes it post.
    if request.method not in ("GET", "HEAD") and request.headers.get("sec-fetch-site", "none") not in OWN_SITE:
        raise Problem(403, "Another site's request", "changes must come from this site itself")
    return ADMIN_USER


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), secret.encode())
