"""People's SQL: passed to the query process, which alone decides what may run."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StringConstraints

from contracts.events.base import Part
from services.api.admin.actor import Analyst
from services.api.control import ask
from services.api.parts import Parts, PartsOf
from services.bus.errors import RequestFailed
from services.problems import Problem

router = APIRouter(prefix="/sql")

ANSWER_S = 20.0


class Statement(Part):
    """One SELECT."""

    sql: Annotated[str, StringConstraints(min_length=1, max_length=20_000)]


class Result(BaseModel):
    """The rows, cut at the query process's limit when `truncated`."""

    model_config = ConfigDict(extra="allow")

    columns: list[str]
    rows: list[list[Any]]
    duration_us: int
    truncated: bool = False


@router.post("")
async def post_sql(statement: Statement, parts: PartsOf, actor: Analyst) -> Result:
    """Run one SELECT within the query process's limits of time and rows."""
    return await run_sql(parts, statement.sql, actor)


async def run_sql(parts: Parts, sql: str, actor: str) -> Result:
    """The answer to a statement. Raises Problem 422 with the query process's own words, BusUnavailable without it."""
    try:
        answer = await ask(parts.link, "query", "sql", timeout=ANSWER_S, sql=sql, actor=actor)
    except RequestFailed as refusal:
        raise Problem(422, "The statement gave no rows", str(refusal), field="sql") from None
    return Result.model_validate(answer)
