"""Queries that admins keep under a name."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import StringConstraints

from contracts.events.admin import QueryDeleted, QuerySaved
from contracts.events.base import Id, Part
from projections.folds.tables import SAVED_QUERIES
from services.api.admin.actor import Analyst
from services.api.admin.commands import Commanded, command
from services.api.admin.rows import present, row_model
from services.api.parts import Parts, PartsOf
from services.problems import Problem
from services.publishing import new_id

router = APIRouter(prefix="/saved-queries")


class QueryToSave(Part):
    """A name and a statement; with the `query_id` of a kept query, that one is changed."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    sql: Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
    query_id: Id | None = None


class QueryKept(Commanded):
    """The query stands under `query_id`."""

    query_id: str


@router.get("", response_model=list[row_model(SAVED_QUERIES)])  # type: ignore[misc]
def get_saved_queries(parts: PartsOf) -> list[dict[str, Any]]:
    """The kept queries."""
    return saved_queries(parts)


@router.post("", status_code=202)
async def post_saved_query(query: QueryToSave, parts: PartsOf, actor: Analyst) -> QueryKept:
    """Keep a query, or change a kept one."""
    return await save_query(parts, query, actor)


@router.delete("/{query_id}", status_code=202)
async def delete_saved_query(query_id: str, parts: PartsOf, actor: Analyst) -> Commanded:
    """Remove a kept query."""
    return await delete_query(parts, query_id, actor)


def saved_queries(parts: Parts) -> list[dict[str, Any]]:
    """Rows of kept queries."""
    return [present(SAVED_QUERIES, row) for row in parts.read_model.saved_queries()]


async def save_query(parts: Parts, query: QueryToSave, actor: str) -> QueryKept:
    """Publish that a query is kept."""
    query_id = query.query_id or new_id()
    done = await command(parts, QuerySaved(query_id=query_id, name=query.name, sql=query.sql), actor)
    return QueryKept(query_id=query_id, event_id=done.event_id, seq=done.seq)


async def delete_query(parts: Parts, query_id: str, actor: str) -> Commanded:
    """Publish that a query is removed. Raises Problem 404 for one that is not kept."""
    if all(row["query_id"] != query_id for row in parts.read_model.saved_queries()):
        raise Problem(404, "Not Found", "no query is kept under that id", field="query_id")
    return await command(parts, QueryDeleted(query_id=query_id), actor)
