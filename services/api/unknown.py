"""What no route answers in the API's own folders; else the console's pages, which come last, would take it."""

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.paths import THE_REST

FOLDERS = ("/v1", "/api")
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def refuse_unknown(app: FastAPI) -> None:
    """Answer 404, or 405 where another method is known; to be added after all other routes."""
    for folder in FOLDERS:
        for path in (folder, f"{folder}/{THE_REST}"):
            app.add_route(path, _refuse, methods=METHODS, include_in_schema=False)


async def _refuse(request: Request) -> Response:
    known: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        pattern = getattr(route, "path_regex", None)
        if route.endpoint is not _refuse and pattern is not None and pattern.match(request.url.path):
            known |= route.methods or set()
    if known:
        raise HTTPException(405, headers={"Allow": ", ".join(sorted(known))})
    raise HTTPException(404)
