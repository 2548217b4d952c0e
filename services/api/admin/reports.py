"""Asking the analytics process for reports and views."""

from typing import Annotated, Any

from fastapi import Query

from services.api.control import ask
from services.api.parts import Parts

ANSWER_S = 10.0
Limit = Annotated[int, Query(ge=1, le=10_000)]
Rows = list[dict[str, Any]]


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
