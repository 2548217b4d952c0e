"""`/admin/models/...`: MLflow's own UI and REST API behind the admin gate, passed on in both directions as a stream.

The page of the console has the address without anything behind it, `/admin/models`; all that MLflow serves stands one
slash deeper, so both have addresses that can be shared.
"""

import re
from collections.abc import AsyncIterator, Iterable
from urllib.parse import unquote, urlsplit

import httpx
from fastapi import APIRouter, Depends, Request, Response
from starlette.background import BackgroundTask
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, StreamingResponse

from ml.registry.server import MOUNT
from services.api.admin.actor import permitted, require
from services.api.away_page import away_page
from services.api.gate import READING
from services.api.parts import PartsOf
from services.http_client import http_client
from services.paths import THE_REST
from services.problems import RETRY_S, Problem

router = APIRouter(prefix=MOUNT, include_in_schema=False, dependencies=[Depends(require("view"))])

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
TIMEOUT = httpx.Timeout(60.0, connect=2.0)
MIB = 1024 * 1024
BODY_BYTES, ARTIFACT_BYTES = 8 * MIB, 256 * MIB

HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "trailers", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
# Ours, or about us: keys and cookies are the gate's, and MLflow trusts what seems to come from this machine itself.
_KEPT_BACK = HOP_BY_HOP | {
    "host", "cookie", "authorization", "origin", "referer", "accept-encoding", "expect", "forwarded", "x-forwarded-for",
    "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-prefix", "x-real-ip",
}  # fmt: skip
_NOT_RETURNED = HOP_BY_HOP | {"set-cookie", "server", "date"}

# These run commands, call other hosts or keep other services' keys; MLflow lets whoever comes from loopback use them.
_DENIED = ("assistant", "gateway", "invoke", "jobs", "webhooks")
_ARTIFACTS = "mlflow-artifacts"
# What its interface asks on every page and finds closed or absent: told that there is nothing, not with an error.
_NOTHING: dict[str, object] = {
    "ajax-api/3.0/mlflow/assistant/config": {"providers": {}, "projects": {}, "remote_access_allowed": False},
    "ajax-api/3.0/mlflow/assistant/providers": {"providers": [], "resolved": None, "gateway_vendor_options": {}},
    "ajax-api/2.0/mlflow/users/current": {},
}
# What MLflow's interface posts to read.
_READS = re.compile(rb"/(search|search-datasets|get-latest-versions|batchGetInfos|metrics|graphql|ui-telemetry)$")
# Spellings that a proxy and a server may read differently.
_TRICKS = re.compile(r"[\x00-\x1f\x7f\\;]|//")


def mlflow_client(base_url: str, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """The client that all calls to MLflow share; close it at the end."""
    return http_client(base_url, timeout=TIMEOUT, transport=transport)


@router.api_route(f"/{THE_REST}", methods=list(METHODS))
async def pass_on(path: str, request: Request, parts: PartsOf) -> Response:
    """Whatever MLflow answers. Raises Problem: 403 and 404 for what is not passed on, 413, 503 while MLflow is away."""
    if parts.settings.mlflow == "off":
        raise Problem(404, "Not Found", "MLflow is switched off (TIPSTREAM_MLFLOW=off)")
    if request.method == "GET" and path in _NOTHING:
        return JSONResponse(_NOTHING[path])
    raw: bytes = request.scope["raw_path"].partition(b"?")[0]
    limit = check_path(raw)
    asks = request.method == "POST" and limit == BODY_BYTES and _READS.search(raw) is not None
    if request.method not in READING and not asks:
        permitted(request.scope.get("identity"), "operate")
    target = parts.mlflow.base_url.copy_with(raw_path=raw + b"?" * bool(request.url.query) + request.url.query.encode())
    try:
        answer = await parts.mlflow.send(
            httpx.Request(request.method, target, headers=_sent(request), content=_body(request, limit)), stream=True
        )
    except (httpx.TransportError, httpx.InvalidURL) as problem:
        return _away(request, problem)
    headers = _returned(answer, parts.settings.mlflow_base)
    return StreamingResponse(
        answer.aiter_raw(), answer.status_code, headers=headers, background=BackgroundTask(answer.aclose)
    )


def check_path(raw: bytes) -> int:
    """How many bytes of body may go to a raw path under MOUNT. Raises Problem for a path that is not passed on."""
    try:
        decoded = unquote(raw.decode("ascii"), errors="strict")
    except UnicodeDecodeError:
        raise Problem(400, "Bad Request", "the path is not percent-encoded UTF-8") from None
    rest = decoded.removeprefix(f"{MOUNT}/")
    # A percent sign that is left was encoded twice.
    if b"%2f" in raw.lower() or "%" in decoded or _TRICKS.search(rest) or {".", ".."} & set(rest.split("/")):
        raise Problem(400, "Bad Request", "the path has parts that are not passed on")
    segments = rest.lower().split("/")
    if segments[2:3] == [_ARTIFACTS]:
        return ARTIFACT_BYTES
    if any(segment.startswith(_DENIED) for segment in segments):
        raise Problem(403, "Forbidden", f"MLflow's {', '.join(_DENIED)} are closed here")
    return BODY_BYTES


def _sent(request: Request) -> list[tuple[str, str]]:
    kept = _without(request.headers, _KEPT_BACK | _named(request.headers))
    return [*kept, ("X-Forwarded-For", request.client.host if request.client else "unknown")]


def _returned(answer: httpx.Response, base: str) -> dict[str, str]:
    named = frozenset(name.strip().lower() for name in answer.headers.get("connection", "").split(","))
    headers = dict(_without(answer.headers, _NOT_RETURNED | named))
    if "location" in headers and urlsplit(headers["location"]).netloc == urlsplit(base).netloc:
        headers["location"] = urlsplit(headers["location"])._replace(scheme="", netloc="").geturl()
    return headers


def _named(headers: Headers) -> frozenset[str]:
    """The headers that `Connection` says are for one hop only."""
    return frozenset(name.strip().lower() for name in headers.get("connection", "").split(","))


def _without(headers: httpx.Headers | Headers, names: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in names]


def _body(request: Request, limit: int) -> AsyncIterator[bytes] | None:
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:18]) > limit:
        raise _too_large(limit)
    if announced in ("", "0") and "transfer-encoding" not in request.headers:
        return None

    async def counted() -> AsyncIterator[bytes]:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            yield chunk

    return counted()


def _too_large(limit: int) -> Problem:
    detail = f"a body may have {limit} bytes here"
    return Problem(413, "Content Too Large", detail, field="body", headers={"Connection": "close"})


def _away(request: Request, problem: Exception) -> Response:
    said = f"MLflow is starting or has ended ({type(problem).__name__}); `tipstream up` starts it again by itself"
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(away_page("MLflow", said), 503, {"Retry-After": str(RETRY_S), "Cache-Control": "no-store"})
    return Problem.unavailable(said).response()
