"""Queries that people keep under a name: anybody may read one, its owner or an administrator change it."""

from typing import Annotated, Any

from fastapi import Depends
from pydantic import StringConstraints

from contracts.events.admin import QueryDeleted, QuerySaved
from contracts.events.base import Id, Part
from projections.folds.tables import SAVED_QUERIES
from services.accounts.identity import Identity
from services.api.admin.actor import Somebody, require
from services.api.admin.commands import Commanded, command
from services.api.admin.router import admin_router
from services.api.admin.rows import present, row_model
from services.api.parts import Parts, PartsOf
from services.problems import Problem
from services.publishing import new_id

router = admin_router("/saved-queries")

QueryName = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Sql = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
QueryRow = row_model(SAVED_QUERIES)


class QueryToSave(Part):
    """A name and a statement; with the `query_id` of a kept query, that one is changed."""

    name: QueryName
    sql: Sql
    query_id: Id | None = None


class QueryChange(Part):
    """Another name, another statement or both."""

    name: QueryName | None = None
    sql: Sql | None = None


class QueryKept(Commanded):
    """The query stands under `query_id`; its link is `/admin/sql?query=<query_id>`."""

    query_id: str


@router.get("", response_model=list[QueryRow])  # type: ignore[valid-type]
def get_saved_queries(parts: PartsOf, owner: str | None = None) -> list[dict[str, Any]]:
    """The kept queries by name; of one owner when `owner` is given."""
    return saved_queries(parts, owner)


@router.get("/{query_id}", response_model=QueryRow)
def get_saved_query(query_id: str, parts: PartsOf) -> dict[str, Any]:
    """One kept query, whosever it is."""
    return saved_query(parts, query_id)


@router.post("", status_code=202, dependencies=[Depends(require("sql"))])
async def post_saved_query(query: QueryToSave, parts: PartsOf, actor: Somebody) -> QueryKept:
    """Keep a query, or change a kept one."""
    return await save_query(parts, query, actor)


@router.patch("/{query_id}", status_code=202, dependencies=[Depends(require("sql"))])
async def patch_saved_query(query_id: str, change: QueryChange, parts: PartsOf, actor: Somebody) -> QueryKept:
    """Rename a kept query, or give it another statement."""
    return await change_query(parts, query_id, change, actor)


@router.delete("/{query_id}", status_code=202, dependencies=[Depends(require("sql"))])
async def delete_saved_query(query_id: str, parts: PartsOf, actor: Somebody) -> Commanded:
    """Remove a kept query."""
    return await delete_query(parts, query_id, actor)


def saved_queries(parts: Parts, owner: str | None = None) -> list[dict[str, Any]]:
    """Rows of kept queries by name, of all owners or of one."""
    return [present(SAVED_QUERIES, row) for row in parts.read_model.saved_queries(owner)]


def saved_query(parts: Parts, query_id: str) -> dict[str, Any]:
    """The row of one kept query. Raises Problem 404."""
    row = parts.read_model.saved_query(query_id)
    if row is None:
        raise Problem(404, "Not Found", "no query is kept under that id", field="query_id")
    return present(SAVED_QUERIES, row)


async def save_query(parts: Parts, query: QueryToSave, actor: Identity) -> QueryKept:
    """Publish that a query is kept; with a `query_id` as `change_query`."""
    if query.query_id is not None:
        return await change_query(parts, query.query_id, QueryChange(name=query.name, sql=query.sql), actor)
    query_id = new_id()
    done = await command(parts, QuerySaved(query_id=query_id, name=query.name, sql=query.sql), actor.name)
    return QueryKept(query_id=query_id, event_id=done.event_id, seq=done.seq)


async def change_query(parts: Parts, query_id: str, change: QueryChange, actor: Identity) -> QueryKept:
    """Publish a kept query anew under its owner. Raises Problem 404, and 403 for who may not change it."""
    row = _changeable(parts, query_id, actor)
    name, sql = change.name or row["name"], change.sql or row["sql"]
    done = await command(parts, QuerySaved(query_id=query_id, name=name, sql=sql, owner=row["owner"]), actor.name)
    return QueryKept(query_id=query_id, event_id=done.event_id, seq=done.seq)


async def delete_query(parts: Parts, query_id: str, actor: Identity) -> Commanded:
    """Publish that a query is removed. Raises Problem 404, and 403 for who may not remove it."""
    _changeable(parts, query_id, actor)
    return await command(parts, QueryDeleted(query_id=query_id), actor.name)


def may_change(row: dict[str, Any], actor: Identity) -> bool:
    """Whether somebody may rename, change and delete a kept query."""
    return bool(row["owner"] == actor.name or actor.may("administer"))


def _changeable(parts: Parts, query_id: str, actor: Identity) -> dict[str, Any]:
    row = saved_query(parts, query_id)
    if not may_change(row, actor):
        raise Problem(403, "Not permitted", f"the query is {row['owner']}'s; save a copy under your own name")
    return row
