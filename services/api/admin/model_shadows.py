"""Models in shadow: whose prior scores along since when, how that ended, and what it has shown so far."""

from asyncio import to_thread
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from contracts.events.admin import ModelPromoted, ModelShadowed, ModelWithdrawn
from projections.folds.tables import ADMIN_ACTIONS
from services.api.admin.ladder import Figures
from services.api.admin.reports import report
from services.api.admin.router import admin_router
from services.api.admin.rows import present
from services.api.parts import Parts, PartsOf
from services.bus.errors import BusUnavailable, RequestFailed

router = admin_router("/models")

MOST = 1000
ENDS = {ModelPromoted.ce_type(): "promoted", ModelWithdrawn.ce_type(): "withdrawn"}


class ModelShadow(BaseModel):
    """A version whose prior scores along from `seq` on, until it `ended`: promoted, withdrawn or replaced."""

    model_version: str
    feature_set: str
    seq: int
    since: datetime
    actor: str
    reason: str | None
    until: datetime | None = None
    ended: str | None = None


class CountedShadow(ModelShadow, Figures):
    """The same with what came of it, whenever this version was in shadow; `problem` says why that is not known."""

    decisions: int = 0
    days: int = 0
    problem: str = Field(default="", description="empty when the figures are known")


@router.get("/shadows")
async def get_shadows(parts: PartsOf) -> list[CountedShadow]:
    """Every version that scores along or did: how often it agrees with what was shown, what it would have earned."""
    return await counted(parts)


def model_shadows(parts: Parts) -> list[ModelShadow]:
    """Every version that scores along or did, as it last went into shadow; the latest first."""
    kinds = (ModelShadowed.ce_type(), *ENDS)
    rows = [row for kind in kinds for row in parts.read_model.admin_actions(MOST, kind=kind)]
    found: dict[str, dict[str, Any]] = {}
    standing: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: int(row["seq"])):
        told = present(ADMIN_ACTIONS, row)
        version, feature_set = told["body"]["model_version"], told["body"]["feature_set"]
        begins = told["type"] not in ENDS
        before = standing.get(feature_set)
        if before is not None and (begins or before["model_version"] == version):
            said = f"replaced by {version}" if begins else ENDS[told["type"]]
            standing.pop(feature_set).update(until=told["occurred_at"], ended=said)
        if begins:
            # The latest comes last, wherever it stood before.
            found.pop(version, None)
            told |= {"since": told["occurred_at"], "model_version": version, "feature_set": feature_set}
            standing[feature_set] = found[version] = told
    return [ModelShadow.model_validate(told) for told in reversed(found.values())]


def in_shadow(parts: Parts, feature_set: str) -> ModelShadow | None:
    """The one that scores along now."""
    shadows = model_shadows(parts)
    return next((one for one in shadows if one.feature_set == feature_set and one.until is None), None)


async def counted(parts: Parts) -> list[CountedShadow]:
    """The same with their figures. Raises BusUnavailable, RequestFailed."""
    found = {row["model_version"]: row for row in await report(parts, "shadow_models")}
    shadows = await to_thread(model_shadows, parts)
    return [CountedShadow.model_validate(found.get(one.model_version, {}) | one.model_dump()) for one in shadows]


async def shadow_of(parts: Parts, model_version: str) -> CountedShadow | None:
    """One version's, None when it never was in shadow; without figures while the analytics process is away."""
    try:
        found = await counted(parts)
    except (BusUnavailable, RequestFailed) as problem:
        shadows = await to_thread(model_shadows, parts)
        found = [CountedShadow(**one.model_dump(), problem=str(problem)) for one in shadows]
    return next((one for one in found if one.model_version == model_version), None)
