"""Which named error becomes which HTTP answer, and the problem document for OpenAPI."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from projections.queries import ReadModelMissing
from services.accounts.errors import AccountsUnusable
from services.bus.errors import BusUnavailable, RequestFailed, ServerRefused
from services.problems import INVALID, MEDIA_TYPE, Problem, install_problems
from services.recommender.errors import NotReady, Refused


class Fault(BaseModel):
    """One field and what is wrong with it."""

    field: str
    detail: str


class ProblemDocument(BaseModel):
    """RFC 9457; `field` is the first of `errors`."""

    model_config = ConfigDict(extra="allow")

    title: str
    status: int
    detail: str
    field: str | None = None
    errors: list[Fault] = []


def _documented(*pairs: tuple[int, str]) -> dict[int | str, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {status: {"description": said, "content": content} for status, said in pairs}


PROBLEMS = _documented(
    (400, "the body is not JSON"),
    (401, "no key, or a wrong one"),
    (413, "the body is larger than an event may be"),
    (422, "a field cannot be used; the document names it"),
    (503, "a part of the system is away; see Retry-After"),
)
ADMIN_PROBLEMS = PROBLEMS | _documented((403, "a key that may not do this"), (404, "there is no such thing"))


def install_errors(app: FastAPI) -> None:
    """Answer the errors of the bus, the read model and the recommender; all others as `install_problems` does."""
    install_problems(app)
    for kind in (BusUnavailable, ServerRefused, ReadModelMissing, AccountsUnusable, NotReady):
        app.add_exception_handler(kind, _unavailable)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestFailed, _failed)


async def _unavailable(_: Request, error: Exception) -> Response:
    return Problem.unavailable(str(error), field=getattr(error, "field", None)).response()


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return Problem(error.status, error.title or INVALID, str(error), errors=error.errors).response()


async def _failed(_: Request, error: Exception) -> Response:
    return Problem(502, "Another process failed", str(error)).response()
