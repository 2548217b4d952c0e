"""Asking the analytics process for reports and views, and the history of admin actions."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from projections.folds.tables import ADMIN_ACTIONS
from services.api.admin.rows import present, row_model
from services.api.control import ask
from services.api.parts import Parts, PartsOf

router = APIRouter()

ANSWER_S = 10.0
Limit = Annotated[int, Query(ge=1, le=10_000)]
Rows = list[dict[str, Any]]


@router.get("/actions", response_model=list[row_model(ADMIN_ACTIONS)])  # type: ignore[misc]
def get_actions(parts: PartsOf, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Rows:
    """Who did what and when, the latest first."""
    return actions(parts, limit)


async def view(parts: Parts, name: str, limit: int) -> Rows:
    """Rows of one named view. Raises BusUnavailable, RequestFailed."""
    answer = await ask(parts.link, "analytics", "view", timeout=ANSWER_S, name=name, limit=limit)
    rows: Rows = answer["rows"]
    return rows


async def report(parts: Parts, name: str, *, limit: int | None = None, **parameters: Any) -> Rows:
    """A named report's rows (`projections/reports`), the first `limit` or all. Raises BusUnavailable, RequestFailed."""
    asked = {"name": name, "parameters": parameters, "limit": limit}
    answer = await ask(parts.link, "analytics", "report", timeout=ANSWER_S, **asked)
    columns: list[str] = answer["columns"]
    return [dict(zip(columns, row, strict=True)) for row in answer["rows"]]


def actions(parts: Parts, limit: int = 100) -> Rows:
    """Rows of admin actions, the latest first."""
    return [present(ADMIN_ACTIONS, row) for row in parts.read_model.admin_actions(limit)]
