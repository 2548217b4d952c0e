"""Errors over HTTP are problem documents (RFC 9457) that name the field; the only place that knows how they look."""

import json
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Self

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from contracts.errors import TipstreamError

MEDIA_TYPE = "application/problem+json"
INVALID = "The request is not valid"
RETRY_S = 2
# FastAPI's words for a body on which the JSON parser gave up in another way than with a syntax error.
_UNPARSED = "There was an error parsing the body"


class Problem(TipstreamError):
    """An answer of 4xx or 5xx: `errors` are (field, detail) pairs, `field` the first of them; `extra` adds members."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        field: str | None = None,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail
        self.errors = tuple(errors) or (((field, detail),) if field is not None else ())
        self.field = field if field is not None else next((name for name, _ in self.errors), None)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    @classmethod
    def invalid(cls, errors: Sequence[tuple[str, str]]) -> Self:
        """422 for fields that cannot be used, each with what is wrong with it."""
        return cls(422, INVALID, "; ".join(f"{field}: {detail}" for field, detail in errors), errors=errors)

    @classmethod
    def unavailable(
        cls, detail: str, *, field: str | None = None, retry_s: int = RETRY_S, extra: Mapping[str, Any] | None = None
    ) -> Self:
        """503 with Retry-After: a part of the system is away, the request may be repeated as it is."""
        headers = {"Retry-After": str(retry_s)}
        return cls(503, "Not available now", detail, field=field, headers=headers, extra=extra)

    def body(self) -> dict[str, Any]:
        """The document's members."""
        members: dict[str, Any] = {"title": self.title, "status": self.status, "detail": self.detail}
        if self.field is not None:
            members["field"] = self.field
        if self.errors:
            members["errors"] = [{"field": field, "detail": detail} for field, detail in self.errors]
        return members | self.extra

    def response(self) -> Response:
        """The document as an answer. What a caller sent comes back escaped, so broken Unicode in it does no harm."""
        return Response(json.dumps(self.body()), self.status, self.headers, MEDIA_TYPE)


def install_problems(app: FastAPI) -> None:
    """Answer every error of the app with a problem document."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_unexpected)


def fields_of(
    error: ValidationError | RequestValidationError, skip: Iterable[str] = ("body", "query", "path", "header")
) -> list[tuple[str, str]]:
    """Each fault as (field, what is wrong), the field as a path such as `values.steps` or `candidates[2]`."""
    ignored = frozenset(skip)
    found = []
    for fault in error.errors():
        place = list(fault["loc"])
        if len(place) > 1 and place[0] in ignored:
            place = place[1:]
        found.append((_path(place), str(fault["msg"]).removeprefix("Value error, ")))
    return found


def _path(place: Sequence[Any]) -> str:
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else str(part)
    return text or "body"


async def _on_problem(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return problem.response()


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    if isinstance(error.body, bytes) and not _is_json(request.headers.get("content-type", "")):
        said = "send JSON, with the header `Content-Type: application/json`"
        return Problem(415, "Unsupported Media Type", said, field="body").response()
    if faults and faults[0]["type"] == "json_invalid":
        said = f"the body is not JSON: {faults[0]['ctx']['error']} at character {faults[0]['loc'][-1]}"
        return Problem(400, "The body is not JSON", said, field="body").response()
    return Problem.invalid(fields_of(error)).response()


def _is_json(content_type: str) -> bool:
    media = content_type.partition(";")[0].strip().lower()
    return media == "application/json" or media.endswith("+json")


async def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 400 and error.detail == _UNPARSED:
        said = "the body is not JSON: it is no UTF-8, nested too deeply, or holds a number too long to read"
        return Problem(400, "The body is not JSON", said, field="body").response()
    title = HTTPStatus(error.status_code).phrase
    return Problem(error.status_code, title, str(error.detail), headers=error.headers).response()


async def _on_unexpected(_: Request, __: Exception) -> Response:
    said = "something unexpected went wrong; the log of this process says what"
    return Problem(500, "Internal Server Error", said).response()
