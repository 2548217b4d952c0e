"""The gate in front of everything: whatever is not open by name answers only somebody who has proven who they are.

It stands before routing, so that a page, a socket, a proxied path and a route that somebody forgets to protect are
closed. What a request may do beyond being let in is asked by each route (`services/api/admin/actor.py`).
"""

from time import time
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.accounts.accounts import ADMIN, Accounts
from services.accounts.errors import AccountsUnusable
from services.accounts.identity import Identity
from services.accounts.roles import ROLES
from services.accounts.tickets import Tickets
from services.accounts.visitors import DAY_S, LONGEST_DAYS, Visitor, visitor_from
from services.auth import CHALLENGE, caller_of
from services.problems import Problem

SESSION_COOKIE, SESSION = "tipstream_session", "session"
VISITOR_COOKIE, VISITOR = "tipstream_visitor", "visitor"
SESSION_COOKIE_S = 7 * 24 * 3600
VISITOR_COOKIE_S = LONGEST_DAYS * DAY_S
OPEN = frozenset({"/", "/login", "/api/health", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"})
# Code, styles and fonts that are the same for everybody, and the public routes, which ask for their key themselves.
OPEN_BELOW = ("/v1/", "/static-offline-docs/")
ASSETS, FOR_ONE = "/_nicegui/", "dynamic_resources"
SOCKET = "/_nicegui_ws/"
READING = ("GET", "HEAD", "OPTIONS")
OWN_SITE = ("same-origin", "none")
LOGIN = "/login"


class Gate:
    """ASGI middleware; puts the `Identity` of whoever was let in into `scope["identity"]`.

    The app keeps `Secrets`, `Accounts` and `Tickets` in its `state`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            scope["identity"] = admitted(scope, headers)
        except Problem as problem:
            await _refuse(scope, receive, send, problem)
            return
        except AccountsUnusable as error:
            await _refuse(scope, receive, send, Problem.unavailable(str(error)))
            return
        await self._app(scope, receive, send)


def is_open(path: str) -> bool:
    """Whether a path answers anybody."""
    if path in OPEN or path.startswith(OPEN_BELOW):
        return True
    # /_nicegui/<version>/...: the version keeps uploads and downloads, which belong to one page, out.
    parts = path.removeprefix(ASSETS).split("/") if path.startswith(ASSETS) else []
    return len(parts) > 1 and parts[0][:1].isdigit() and parts[1] != FOR_ONE


def admitted(scope: Scope, headers: Headers) -> Identity | None:
    """Who is let in; None for a visitor of the tips page, whose socket is answered. Raises Problem 401 or 403."""
    identity = identity_of(headers, scope["app"].state)
    if identity is not None:
        if scope.get("method", "GET") not in READING or scope["type"] == "websocket":
            same_site(headers, by_cookie=identity.session is not None)
        return identity
    if scope["path"].startswith(SOCKET) and visitor_of(headers, scope["app"].state.tickets) is not None:
        same_site(headers, by_cookie=scope["type"] == "websocket")
        return None
    if caller_of(headers.get("authorization"), scope["app"].state.secrets) == "api":
        detail = "the API key does not open this; use the admin password, an admin key, or log in at /login"
        raise Problem(403, "Admins only", detail)
    detail = "log in at /login, or send the admin password or an admin key as `Authorization: Bearer <key>`"
    raise Problem(401, "An admin key is needed", detail, headers=CHALLENGE)


def identity_of(headers: Headers, state: Any) -> Identity | None:
    """Whom the headers of a request prove: by password, key or session."""
    accounts: Accounts = state.accounts
    authorization = headers.get("authorization")
    if authorization is not None:
        if caller_of(authorization, state.secrets) == "admin":
            return Identity(ADMIN, ROLES["admin"])
        scheme, _, key = authorization.partition(" ")
        return accounts.key(key.strip()) if scheme.lower() == "bearer" else None
    tickets: Tickets = state.tickets
    token = tickets.read(SESSION, _cookie(headers, SESSION_COOKIE), SESSION_COOKIE_S)
    return None if token is None else accounts.session(token)


def visitor_of(headers: Headers, tickets: Tickets) -> Visitor | None:
    """Whom the tips page's own cookie names, None without a valid one and when its link has expired."""
    visitor = visitor_from(tickets.read(VISITOR, _cookie(headers, VISITOR_COOKIE), VISITOR_COOKIE_S))
    return visitor if visitor is not None and visitor.may_stay(time()) else None


def _cookie(headers: Headers, name: str) -> str | None:
    return cookie_parser(headers.get("cookie", "")).get(name)


def same_site(headers: Headers, *, by_cookie: bool) -> None:
    """Refuse what another site made a browser send, which goes with its cookie or remembered password. Raises Problem.

    Sec-Fetch-Site says where a request comes from (W3C Fetch Metadata), Origin where browsers do not send it.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        same = site in OWN_SITE
    elif origin is not None:
        same = _is_of(origin, headers.get("host"))
    else:
        same = not by_cookie
    if not same:
        raise Problem(403, "Another site's request", "changes must come from this site itself")


def _is_of(origin: str, host: str | None) -> bool:
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False


async def _refuse(scope: Scope, receive: Receive, send: Send, problem: Problem) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 4401, "reason": problem.title})
        return
    wants_page = "text/html" in Headers(scope=scope).get("accept", "")
    answer: Response = problem.response()
    if problem.status == 401 and scope["method"] == "GET" and wants_page and not scope["path"].startswith("/api/"):
        query = scope["query_string"].decode("latin-1")
        target = scope["path"] + (f"?{query}" if query else "")
        answer = RedirectResponse(f"{LOGIN}?next={quote(target, safe='/')}", 303)
    await answer(scope, receive, send)
