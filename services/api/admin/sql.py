"""People's SQL: passed to the query process, which alone decides what may run; and what was asked so far."""

import base64
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import Query, Response
from pydantic import BaseModel, Field, StringConstraints

from contracts.events.base import Part
from contracts.times import format_time
from projections.sql.records import Door, Form, Outcome, SqlError
from projections.statement import LIMITS, ask_sql
from services.api.admin.actor import Analyst
from services.api.admin.router import admin_router
from services.api.control import ask
from services.api.parts import Parts, PartsOf
from services.problems import Problem

router = admin_router("/sql")

SCHEMA_S = 5.0
MEDIA = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


class Statement(Part):
    """One SELECT; `limit` (rows) and `timeout` (seconds) may lower the query process's limits."""

    sql: Annotated[str, StringConstraints(min_length=1)]
    limit: Annotated[int, Field(ge=1, le=LIMITS.rows)] = LIMITS.rows
    timeout: Annotated[float, Field(ge=0.1, le=LIMITS.seconds)] = LIMITS.seconds


class Download(Statement):
    """The same, answered as a file."""

    format: Form = "csv"


class Result(BaseModel):
    """The rows in the order of `columns`, whose DuckDB types are `types`; `limit` and `timeout` are what held.

    Whole numbers beyond 2^53, decimals, times and what JSON cannot hold are text. When `truncated`, `reason` says why.
    """

    columns: list[str]
    types: list[str]
    rows: list[list[Any]]
    truncated: bool
    reason: str | None
    duration_us: int
    limit: int
    timeout: float


class File(BaseModel):
    """An answer as a file: `reason` says why it does not hold every row, None when it does."""

    content: bytes
    media_type: str
    name: str
    rows: int
    reason: str | None
    duration_us: int


class Column(BaseModel):
    """A column with its DuckDB type and what it means."""

    name: str
    type: str
    comment: str | None


class Relation(BaseModel):
    """A table or view that statements may read."""

    name: str
    kind: Literal["table", "view"]
    comment: str | None
    columns: list[Column]


class Executed(BaseModel):
    """A statement that somebody sent, and what became of it; `rows` are those answered."""

    seq: int
    actor: str
    sql: str
    door: Door
    outcome: Outcome
    duration_us: int
    rows: int | None = None
    error: str | None = None
    occurred_at: datetime


@router.post("")
async def post_sql(statement: Statement, parts: PartsOf, actor: Analyst) -> Result:
    """Run one SELECT within the query process's limits of time and rows."""
    return await run_sql(parts, statement, actor)


@router.post(
    "/download",
    response_class=Response,
    responses={200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA.values()}}},
)
async def post_download(statement: Download, parts: PartsOf, actor: Analyst) -> Response:
    """The answer as CSV or Parquet with true column types; the header `Tipstream-Truncated` says why it was cut."""
    file = await download(parts, statement, statement.format, actor)
    headers = {
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "Tipstream-Rows": str(file.rows),
        **({"Tipstream-Truncated": file.reason} if file.reason else {}),
    }
    return Response(file.content, headers=headers, media_type=file.media_type)


@router.get("/schema")
async def get_schema(parts: PartsOf, _: Analyst) -> list[Relation]:
    """The tables and views that statements may read, with their columns."""
    return await schema(parts)


@router.get("/history")
def get_history(
    parts: PartsOf,
    actor: Analyst,
    everyone: Annotated[bool, Query(description="those of others too")] = False,
    door: Door | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[Executed]:
    """The statements that you sent, by the console or remotely, the latest first; failed and refused ones too."""
    return history(parts, None if everyone else actor, door, limit)


async def run_sql(parts: Parts, statement: Statement, actor: str) -> Result:
    """The answer to a statement. Raises Problem 422 with the reason and its `position`, BusUnavailable."""
    answer = await _ask(parts, statement, actor, "rows")
    reason = answer.pop("cut")
    return Result(
        **answer, truncated=reason is not None, reason=reason, limit=statement.limit, timeout=statement.timeout
    )


async def download(parts: Parts, statement: Statement, form: Form, actor: str) -> File:
    """The statement run for a file. Raises as `run_sql`."""
    answer = await _ask(parts, statement, actor, form)
    return File(
        content=base64.b64decode(answer["content"]),
        media_type=MEDIA[form],
        name=f"tipstream.{form}",
        rows=answer["rows"],
        reason=answer["cut"],
        duration_us=answer["duration_us"],
    )


async def schema(parts: Parts) -> list[Relation]:
    """Tables, then views, by name. Raises BusUnavailable, RequestFailed."""
    answer = await ask(parts.link, "query", "schema", timeout=SCHEMA_S)
    return [Relation.model_validate(relation) for relation in answer["relations"]]


def history(parts: Parts, actor: str | None, door: Door | None = None, limit: int = 100) -> list[Executed]:
    """Statements of one actor, or of all for None, the latest first."""
    rows = parts.read_model.statements(actor, door, limit)
    return [
        Executed(
            **orjson.loads(row["body"]),
            seq=row["seq"],
            actor=row["actor"],
            occurred_at=format_time(row["occurred_at"]),
        )
        for row in rows
    ]


async def _ask(
    parts: Parts, statement: Statement, actor: str, form: Literal["rows", "csv", "parquet"]
) -> dict[str, Any]:
    try:
        return await ask_sql(
            parts.link.bus, statement.sql, actor=actor, rows=statement.limit, seconds=statement.timeout, form=form
        )
    except SqlError as problem:
        extra = {"outcome": problem.outcome, "position": problem.position}
        raise Problem(422, "The statement gave no rows", str(problem), field="sql", extra=extra) from None
