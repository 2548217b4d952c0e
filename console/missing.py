"""What is shown where no page is: the frame, from which every page is one click away."""

from fastapi import Request
from fastapi.exception_handlers import http_exception_handler
from nicegui import Client, ui
from nicegui import app as pages_app
from starlette.exceptions import HTTPException
from starlette.responses import Response

from console.components.notice import empty
from console.frame import Entry, framed, title_of, visit_of

NOWHERE = Entry("", "No such page", "", "circle", 0, "view")


def install() -> None:
    """Answer so in place of NiceGUI."""
    pages_app.exception_handler(404)(missing)


async def missing(request: Request, error: Exception) -> Response:
    """404 as a page for somebody at a browser who may see the console; for all others as JSON."""
    assert isinstance(error, HTTPException)
    # A file that is missing has an endpoint of its own; what no route takes has none, or the app it is mounted as.
    nowhere = request.scope.get("endpoint") in (None, pages_app)
    if not nowhere or request.scope.get("identity") is None or "text/html" not in request.headers.get("accept", ""):
        return await http_exception_handler(request, error)
    nowhere_page = ui.page("", title=title_of(NOWHERE.title))
    with Client(nowhere_page, request=request) as client, framed(visit_of(request), NOWHERE):
        said = f"Nothing is at {request.url.path[:200]}. The address may be mistyped, or from another release."
        empty("There is no such page", said, link="Go to Home", target="/admin", icon="explore_off")
    return client.build_response(request, 404)
