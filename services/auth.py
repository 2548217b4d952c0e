"""Who is calling a public route or the scorer: the API key opens the public doors, the admin password every door."""

import base64
import binascii
import hmac
from typing import Annotated, Literal

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from services.keys import Secrets
from services.problems import Problem

Caller = Literal["api", "admin"]
ADMIN_USER = "admin"
CHALLENGE = {"WWW-Authenticate": "Bearer"}

# This only writes the scheme into OpenAPI; `caller_of` reads the header itself.
bearer = HTTPBearer(auto_error=False, description="the API key, or the admin password for everything")


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


async def require_key(request: Request, _: Annotated[object, Depends(bearer)] = None) -> Caller:
    """A route's dependency: some key, else 401. The app keeps its `Secrets` in `app.state.secrets`.

    Asynchronous although it awaits nothing: a plain function would be run in a thread, which costs more than scoring.
    """
    caller = caller_of(request.headers.get("authorization"), request.app.state.secrets)
    if caller is None:
        detail = "send the API key as `Authorization: Bearer <key>`; it stands in HOME/secrets/api.key"
        raise Problem(401, "A key is needed", detail, headers=CHALLENGE)
    return caller


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), secret.encode())
