"""Every console page: who is visiting, the frame around the page, and what becomes of errors."""

import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Request
from nicegui import run, ui

from console.addresses import otherwise
from console.components.outage import HEALTH, stream_banner
from console.components.trouble import Trouble
from console.theme import FAVICON, NEXT, THEME_COOKIE, dark_of
from contracts.errors import TipstreamError
from services.accounts.identity import Identity
from services.accounts.roles import Permission
from services.api.admin.actor import permitted
from services.api.condition import Watch
from services.api.history import History
from services.api.parts import Parts
from services.problems import Problem

GROUPS = ("", "Live", "Learning", "Data", "System")
NARROW = 900
MOST_IN_TITLE = 24
DISMISS = [{"label": "Dismiss", "textColor": "white"}]
LOG_IN = (
    '<a href="/login" onclick="this.href = \'/login?next=\' + encodeURIComponent(location.pathname + location.search)">'
    "Log in again</a>"
)
"""The address is the browser's to say: it has changed since with what was filtered and opened."""

CLOSES = """
document.addEventListener("keydown", (event) => {
  const behind = document.querySelector(".q-drawer__backdrop:not(.hidden)");
  if (event.key !== "Escape" || !behind) return;
  event.stopPropagation();
  behind.click();
  document.getElementById("MENU").focus();
}, true);
"""
"""Escape closes the navigation where it lies over the page, wherever the focus is; Quasar closes it by a click only."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """A page in the navigation; `order` is its place within its group."""

    path: str
    title: str
    group: str
    icon: str
    order: int
    permission: Permission


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of a page: by whom, and what the page reads from."""

    identity: Identity
    parts: Parts
    watch: Watch
    history: History
    request: Request

    @property
    def actor(self) -> str:
        """The name under which changes are signed."""
        return self.identity.name

    def may(self, permission: Permission) -> bool:
        """Whether to offer something; `check` decides when it is done."""
        return self.identity.may(permission)

    async def check(self, permission: Permission) -> Identity:
        """Who acts, asked again now: a page stays open after logout. Raises Problem when the session has ended or may
        not."""
        identity: Identity | None = self.identity
        if self.identity.session is not None:
            identity = await run.io_bound(self.parts.accounts.session_of, self.identity.session)
        return permitted(identity, permission)


Build = Callable[..., Awaitable[None]]
ENTRIES: list[Entry] = []


def page(
    path: str, *, title: str, group: str = "", icon: str = "circle", order: int = 0, permission: Permission = "view"
) -> Callable[[Build], Build]:
    """Make `build(visit, **query parameters)` the page at `path`, in the frame and in the navigation.

    A parameter that is not of its type or out of its bounds has its default.
    """
    entry = Entry(path, title, group, icon, order, permission)
    ENTRIES.append(entry)

    def decorate(build: Build) -> Build:
        signature = inspect.signature(build, eval_str=True)
        parameters = [
            parameter.replace(annotation=Annotated[parameter.annotation, otherwise(parameter.default)])
            for parameter in signature.parameters.values()
            if parameter.name != "visit"
        ]

        @functools.wraps(build)
        async def show(request: Request, **values: Any) -> None:
            visit = visit_of(request)
            with framed(visit, entry):
                try:
                    permitted(visit.identity, entry.permission)
                    await build(visit, **values)
                except TipstreamError as problem:
                    Trouble(visit.watch, "This page cannot be shown now", ui.navigate.reload).show(problem)

        first = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Request)
        show.__signature__ = signature.replace(parameters=[first, *parameters])  # type: ignore[attr-defined]
        ui.page(path, title=title_of(title))(show)
        return build

    return decorate


def title_of(title: str, subject: str = "") -> str:
    """What the browser calls a page: what it is about comes first, and no more of it than a tab can show."""
    short = subject if len(subject) <= MOST_IN_TITLE else f"{subject[:MOST_IN_TITLE]}…"
    return " · ".join(filter(None, (short, title, "Tipstream")))


def visit_of(request: Request) -> Visit:
    """Who visits, and what they see. Raises Problem for nobody."""
    state = request.app.state.api.state
    return Visit(permitted(request.scope.get("identity"), "view"), state.parts, state.watch, state.history, request)


def framed(visit: Visit, entry: Entry) -> ui.element:
    """The header and the navigation; the element into which the page is built."""
    ui.on_exception(tell)
    chosen = visit.request.cookies.get(THEME_COOKIE, "auto")
    ui.dark_mode(dark_of(chosen))
    with ui.left_drawer(value=None, top_corner=True, bordered=False).props(
        f'width=216 breakpoint={NARROW} show-if-above role="navigation" aria-label="Pages"'
    ) as drawer:
        drawer.classes("frame-nav")
        _navigation(visit, entry)
    with ui.header(bordered=False).classes("frame-header"):
        menu = _icon("menu", "Show or hide the pages", drawer.toggle)
        ui.add_body_html(f"<script>{CLOSES.replace('MENU', menu.html_id)}</script>")
        with ui.element("nav").classes("line grow").props('aria-label="Breadcrumb"'):
            ui.link("Console", "/admin").classes("muted wide-only")
            ui.label("/").classes("faint wide-only")
            ui.html(f"<h1>{entry.title}</h1>", sanitize=False).classes("ellipsis")
        ui.label(visit.actor).classes("muted small wide-only").props('aria-label="Logged in as"')
        following = NEXT.get(chosen, "auto")
        cookie = f"{THEME_COOKIE}={following};path=/;max-age=31536000;samesite=strict"
        theme = _icon("contrast", f"Theme: {chosen}; switch to {following}", None)
        theme.on("click", js_handler=f"() => {{ document.cookie = '{cookie}'; location.reload(); }}")
        ui.html(
            '<form method="post" action="/logout"><button type="submit" aria-label="Log out" title="Log out" '
            'class="q-btn q-btn-item non-selectable no-outline q-btn--flat q-btn--rectangle icon-only">'
            '<i class="q-icon material-icons" aria-hidden="true">logout</i></button></form>',
            sanitize=False,
        )
    # Quasar's page around it is the landmark already. It has an id of its own, for which NiceGUI's link has to be told.
    main = ui.element("div").classes("stack frame-page").props('id="main" tabindex="-1"')
    ui.skip_link("Skip to the page", target=main).props["href"] = "#main"
    # Health itself says so at its top, with what to do.
    if entry.path != HEALTH:
        with main:
            stream_banner(visit.watch)
    return main


def _navigation(visit: Visit, current: Entry) -> None:
    with ui.link(target="/admin").classes("frame-brand"):
        ui.html(FAVICON.replace("<svg ", '<svg width="26" height="26" aria-hidden="true" '), sanitize=False)
        ui.label("Tipstream")
    for group in GROUPS:
        entries = sorted((entry for entry in ENTRIES if entry.group == group), key=lambda entry: entry.order)
        shown = [entry for entry in entries if visit.may(entry.permission)]
        if group and shown:
            ui.label(group).classes("eyebrow")
        for entry in shown:
            with ui.link(target=entry.path).classes("frame-link") as link:
                ui.icon(entry.icon).props("aria-hidden=true")
                ui.label(entry.title)
            if entry is current:
                link.props("aria-current=page")


def _icon(icon: str, label: str, on_click: Callable[[], Any] | None) -> ui.button:
    button = ui.button(icon=icon, on_click=on_click, color=None).props(f'flat aria-label="{label}" title="{label}"')
    return button.classes("icon-only")


def tell(problem: Exception) -> None:
    """Say what went wrong, on the page where it did."""
    if isinstance(problem, Problem) and problem.status == 401:
        # It stays: nothing on the page follows any more, and the page itself looks as it did.
        ui.notify(f"The session has ended. {LOG_IN}", type="negative", html=True, actions=DISMISS, timeout=0)
        return
    if isinstance(problem, TipstreamError):
        ui.notify(str(problem), type="negative", multi_line=True, actions=DISMISS)
        return
    if isinstance(problem, TimeoutError):
        # A busy browser answers too late what NiceGUI asks it, such as whether the drawer is open.
        log.info("a browser did not answer in time: %s", problem)
        return
    log.error("a console page failed", exc_info=problem)
    ui.notify("Something unexpected went wrong; the log of the API says what.", type="negative")
