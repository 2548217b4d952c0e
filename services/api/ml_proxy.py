"""`/api/ml/*`: the scorer behind the admin gate; what it answers is passed on as it is."""

import httpx
from fastapi import APIRouter, Depends, Request, Response

from services.api.admin.actor import require
from services.api.errors import ADMIN_PROBLEMS
from services.api.parts import PartsOf
from services.paths import THE_REST
from services.problems import Problem

router = APIRouter(prefix="/api/ml", tags=["scorer"], dependencies=[Depends(require("view"))], responses=ADMIN_PROBLEMS)

READS = frozenset({"stats", "features", "health", "metrics"})
WRITES = frozenset({"score", "reset"})
_PASSED = ("content-type", "retry-after", "cache-control")


@router.get(f"/{THE_REST}")
async def get_from_scorer(path: str, request: Request, parts: PartsOf) -> Response:
    """`stats/{user_id}`, `features/{user_id}`, `health` and `metrics` of the scorer."""
    return await _pass(request, parts.scorer, READS)


@router.post(f"/{THE_REST}", dependencies=[Depends(require("operate"))])
async def post_to_scorer(path: str, request: Request, parts: PartsOf) -> Response:
    """`score` and `reset/{user_id}` of the scorer."""
    return await _pass(request, parts.scorer, WRITES)


async def _pass(request: Request, scorer: httpx.AsyncClient, known: frozenset[str]) -> Response:
    # The raw path keeps ids percent-encoded, as the scorer wants them.
    raw: bytes = request.scope["raw_path"]
    path = raw.partition(b"?")[0].partition(b"/api/ml/")[2].decode("ascii", "replace")
    if path.partition("/")[0] not in known or "/../" in f"/{path}/":
        said = f"the scorer has {', '.join(sorted(known))} for {request.method}"
        raise Problem(404, "Not Found", said)
    query = request.url.query
    headers = {name: request.headers[name] for name in ("content-type", "traceparent") if name in request.headers}
    try:
        answer = await scorer.request(
            request.method, f"/{path}{'?' + query if query else ''}", content=await request.body(), headers=headers
        )
    except httpx.TransportError as problem:
        raise Problem.unavailable(f"the scorer does not answer ({type(problem).__name__})") from None
    passed = {name: answer.headers[name] for name in _PASSED if name in answer.headers}
    return Response(answer.content, answer.status_code, passed)
