"""Logging in and out of the console: a form that needs no script, a session in a signed cookie."""

import asyncio
from collections import defaultdict, deque
from contextlib import suppress
from html import escape
from importlib.resources import files
from string import Template
from time import monotonic
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.accounts.accounts import Accounts
from services.accounts.errors import AccountsUnusable
from services.api.gate import LOGIN, SESSION, SESSION_COOKIE, SESSION_COOKIE_S, identity_of, same_site
from services.problems import Problem

router = APIRouter(include_in_schema=False)

HOME_PAGE = "/admin"
MOST_FAILURES, WITHIN_S = 10, 60.0
MOST_NAMES = 10_000
_FORM = Template(files("services.api").joinpath("login.html").read_text(encoding="utf-8"))


class Failures:
    """Wrong passwords of the last minute, by account name: guessing is slowed, whoever guesses."""

    def __init__(self) -> None:
        self._times: defaultdict[str, deque[float]] = defaultdict(deque)

    def too_many(self, name: str) -> bool:
        times, since = self._times[name], monotonic() - WITHIN_S
        while times and times[0] < since:
            times.popleft()
        return len(times) >= MOST_FAILURES

    def add(self, name: str) -> float:
        """Count one; what is answered takes it back."""
        if len(self._times) >= MOST_NAMES:
            self._times.clear()
        moment = monotonic()
        self._times[name].append(moment)
        return moment

    def take_back(self, name: str, moment: float) -> None:
        """The password was right after all."""
        with suppress(ValueError):
            self._times[name].remove(moment)


@router.get(LOGIN)
async def get_login(request: Request, next: str = HOME_PAGE) -> Response:
    """The form, or the page asked for when somebody is logged in already."""
    if identity_of(request.headers, request.app.state) is not None:
        return RedirectResponse(_inside(next), 303)
    return _form(next)


@router.post(LOGIN)
async def post_login(request: Request) -> Response:
    """Begin a session; a wrong name or password shows the form again."""
    same_site(request.headers, by_cookie=False)
    fields = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
    name, target = fields.get("name", ""), fields.get("next", HOME_PAGE)
    failures: Failures = request.app.state.failures
    if failures.too_many(name):
        return _form(target, name, "Too many wrong passwords; wait a minute and try again.", 429)
    accounts: Accounts = request.app.state.accounts
    # Counted before it is known: attempts that are made at once would all find the limit not yet reached.
    counted = failures.add(name)
    try:
        token = await asyncio.to_thread(accounts.log_in, name, fields.get("password", ""))
    except AccountsUnusable as problem:
        failures.take_back(name, counted)
        return _form(target, name, f"Nobody can log in now: {problem}.", 503)
    if token is None:
        return _form(target, name, "Name or password is wrong.", 401)
    failures.take_back(name, counted)
    answer = RedirectResponse(_inside(target), 303)
    answer.set_cookie(
        SESSION_COOKIE, request.app.state.tickets.issue(SESSION, token), max_age=SESSION_COOKIE_S,
        path="/", httponly=True, samesite="strict", secure=request.url.scheme == "https",
    )  # fmt: skip
    return answer


@router.post("/logout")
async def post_logout(request: Request) -> Response:
    """End the session."""
    identity = request.scope["identity"]
    if identity.session is None:
        raise Problem(400, "No session", "this request came with a key or password, not with a session")
    request.app.state.accounts.log_out(identity.session)
    answer = RedirectResponse(LOGIN, 303)
    answer.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="strict")
    return answer


def _inside(target: str) -> str:
    """A page of this site, whatever a link asked for."""
    inside = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    # Only now: a host that is none, which urlsplit raises for, cannot follow a single slash.
    return target if inside and urlsplit(target).path != LOGIN else HOME_PAGE


def _form(target: str, name: str = "", complaint: str = "", status: int = 200) -> Response:
    said = f'<p role="alert">{escape(complaint)}</p>' if complaint else ""
    page = _FORM.substitute(next=escape(target), name=escape(name), complaint=said)
    return HTMLResponse(page, status, {"Cache-Control": "no-store", "X-Frame-Options": "DENY"})
