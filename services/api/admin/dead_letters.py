"""Events that could not count: why, their raw bytes, and the command that puts one aside."""

from typing import Annotated, Any

from fastapi import Path, Query

from contracts.events.admin import DeadLetterSkipped
from contracts.events.base import MAX_INTEGER
from contracts.times import format_time
from projections.folds.tables import DEAD_LETTERS
from services.api.admin.actor import Operator
from services.api.admin.commands import Commanded, Reason, command
from services.api.admin.router import admin_router
from services.api.admin.rows import present, row_model
from services.api.parts import Parts, PartsOf

router = admin_router("/dead-letters")


@router.get("", response_model=list[row_model(DEAD_LETTERS)])  # type: ignore[misc]
def get_dead_letters(
    parts: PartsOf,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    reason: Annotated[str | None, Query(max_length=100, description="only those of this reason")] = None,
) -> list[dict[str, Any]]:
    """The latest first; `data` is the raw body in base64."""
    return dead_letters(parts, limit, reason)


@router.post("/{seq}/skip", status_code=202)
async def post_skip(
    seq: Annotated[int, Path(ge=1, le=MAX_INTEGER)], parts: PartsOf, actor: Operator, reason: Reason | None = None
) -> Commanded:
    """Put a dead letter aside; it stays in the log and in the table, marked."""
    return await skip(parts, seq, actor, reason.reason if reason else None)


def dead_letters(parts: Parts, limit: int = 100, reason: str | None = None) -> list[dict[str, Any]]:
    """Rows of dead letters, of one reason if given, the latest first."""
    return [present(DEAD_LETTERS, row) for row in parts.read_model.dead_letters(limit, reason)]


def reasons(parts: Parts) -> list[dict[str, Any]]:
    """How many dead letters each reason has, how many of them were not skipped yet, and the latest one's time."""
    counts = parts.read_model.dead_letter_reasons()
    return [{**row, "latest": format_time(row["latest"])} for row in counts]


async def skip(parts: Parts, seq: int, actor: str, reason: str | None = None) -> Commanded:
    """Publish that a dead letter was looked at."""
    return await command(parts, DeadLetterSkipped(seq=seq, reason=reason), actor)
