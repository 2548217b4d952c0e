"""The tips page: one tip for one person, and what they make of it. A link says who they are; in the demo they pick."""

from dataclasses import replace
from html import escape
from importlib.resources import files
from string import Template
from time import time
from typing import Annotated

from fastapi import Request
from nicegui import run, ui
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console.addresses import otherwise, url
from console.components.notice import empty, heading
from console.frame import tell
from console.theme import FAVICON, THEME_COOKIE, dark_of
from console.tip_view import TipView
from services.accounts.visitors import Visitor, visitor_of_link
from services.api.gate import VISITOR, VISITOR_COOKIE, VISITOR_COOKIE_S, visitor_of
from services.api.parts import Parts
from services.demo.people import is_simulated

PATH = "/"
MOST_SHOWN = 60
_CLOSED = Template(files("console.pages").joinpath("tips_closed.html").read_text(encoding="utf-8"))
_STYLE = files("console.pages").joinpath("tips.css").read_text(encoding="utf-8")

NEEDS_LINK = (
    "This page is for one person at a time: open it with your own link. Whoever runs Tipstream can give you one."
)
EXPIRED = "This link has expired. Ask whoever gave it to you for a new one."
UNKNOWN = "This link is not one of ours, or not whole. Open it again as it was sent to you."
NO_COOKIES = (
    "Your browser keeps no cookies for this page, and without one it cannot know you. Allow them and come again."
)


@ui.page(PATH, title="Your tip · Tipstream")
async def tips(
    request: Request, link: str = "", user: str = "", again: Annotated[bool, otherwise(False)] = False
) -> Response | None:
    """The tip of whoever the cookie names; a link, or in the demo the first visit, sets it."""
    parts: Parts = request.app.state.api.state.parts
    demo = parts.settings.demo == "on"
    visitor = visitor_of(request.headers, parts.tickets)
    if link:
        named = visitor_of_link(parts.tickets, link)
        if named is None or not named.may_stay(time()):
            return closed(UNKNOWN if named is None else EXPIRED)
        return _welcome(request, parts, named, PATH)
    if visitor is None or (visitor.user_id is None and not demo):
        if not demo:
            return closed(NEEDS_LINK)
        return (
            closed(NO_COOKIES) if again else _welcome(request, parts, Visitor(None), url(PATH, user=user, again=True))
        )
    _head(request)
    if again:
        ui.navigate.history.replace(url(PATH, user=user))
    if visitor.user_id is None and user and is_simulated(user):
        visitor = replace(visitor, user_id=user)
    with ui.element("main").classes("tips-page"):
        if visitor.user_id is None:
            await _choose(parts)
            return None
        with ui.element("header").classes("tips-head"):
            ui.html(FAVICON.replace("<svg ", '<svg width="24" height="24" aria-hidden="true" '), sanitize=False)
            ui.label("Tipstream").classes("grow").style("font-weight: 600")
            if demo and is_simulated(visitor.user_id):
                ui.label(visitor.user_id).classes("mono muted").props('aria-label="You are"')
                ui.link("Someone else", PATH).classes("small")
        # A timer waits for the browser.
        ui.timer(0, TipView(parts, visitor).begin, once=True)
    return None


def closed(said: str) -> Response:
    """A page that says why there is no tip, and needs no connection."""
    return HTMLResponse(_CLOSED.substitute(said=escape(said)), 403, {"Cache-Control": "no-store"})


def _welcome(request: Request, parts: Parts, visitor: Visitor, target: str) -> Response:
    """Remember the visitor, and go on without the link in the address."""
    answer = RedirectResponse(target, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
    # Lax, not strict: a link is opened from somebody's messages, and the cookie has to come along.
    answer.set_cookie(
        VISITOR_COOKIE, visitor.issue(parts.tickets, VISITOR), max_age=VISITOR_COOKIE_S,
        path="/", httponly=True, samesite="lax", secure=request.url.scheme == "https",
    )  # fmt: skip
    return answer


def _head(request: Request) -> None:
    ui.on_exception(tell)
    ui.dark_mode(dark_of(request.cookies.get(THEME_COOKIE)))
    ui.add_css(_STYLE)


async def _choose(parts: Parts) -> None:
    """Who are you? The demo's people, the latest seen first."""
    rows = await run.io_bound(parts.read_model.users, "demo-", MOST_SHOWN)
    known = [row for row in rows or () if is_simulated(row["user_id"])]
    with ui.element("div").classes("tips-choose"):
        heading(1, "Who are you today?")
        ui.label(
            "This is a demo: pick one of its simulated people, get their tip and say what you make of it."
        ).classes("muted")
        if not known:
            empty("Nobody here yet", "The simulated people are still being made.", link="Look again", target=PATH)
        with ui.element("nav").classes("tips-people").props('aria-label="Simulated people"'):
            for row in sorted(known, key=lambda row: row["user_id"]):
                with ui.link(target=url(PATH, user=row["user_id"])).classes("tips-person"):
                    ui.label(row["user_id"].removeprefix("demo-")).classes("tips-avatar").props("aria-hidden=true")
                    with ui.element("div"):
                        ui.label(row["user_id"]).style("font-weight: 500")
                        ui.label(f"{row['decisions']:,} tips, {row['feedback']:,} answers").classes("muted small")
