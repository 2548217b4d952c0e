"""The catalog: what may be shown, and the commands that publish and retire a tip."""

from typing import Any

from contracts.events.base import Id, Part, Text
from contracts.events.catalog import TipPublished, TipRetired
from projections.folds.tables import TIPS
from services.api.admin.actor import Operator
from services.api.admin.commands import Commanded, command
from services.api.admin.router import admin_router
from services.api.admin.rows import present, row_model
from services.api.parts import Parts, PartsOf
from services.problems import Problem

router = admin_router("/tips")


class Retirement(Part):
    """Which tip is no longer shown, and why."""

    tip_id: Id
    reason: Text | None = None


@router.get("", response_model=list[row_model(TIPS)])  # type: ignore[misc]
def get_tips(parts: PartsOf, active: bool | None = None) -> list[dict[str, Any]]:
    """Every tip, or those that are (not) active."""
    return tips(parts, active)


@router.post("", status_code=202)
async def post_tip(tip: TipPublished, parts: PartsOf, actor: Operator) -> Commanded:
    """Publish a tip, or change one by its id."""
    return await command(parts, tip, actor)


@router.post("/retired", status_code=202)
async def post_retired(retirement: Retirement, parts: PartsOf, actor: Operator) -> Commanded:
    """Retire a tip; what was learned from it stays."""
    return await retire(parts, retirement, actor)


def tips(parts: Parts, active: bool | None = None) -> list[dict[str, Any]]:
    """The rows of the catalog."""
    return [present(TIPS, row) for row in parts.read_model.tips(active)]


async def retire(parts: Parts, retirement: Retirement, actor: str) -> Commanded:
    """Publish the retirement. Raises Problem for a tip that was never published."""
    if parts.read_model.tip(retirement.tip_id) is None:
        raise Problem.invalid([("tip_id", "was never published")])
    return await command(parts, TipRetired(tip_id=retirement.tip_id, reason=retirement.reason), actor)
