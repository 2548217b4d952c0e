"""Models: versions and aliases as MLflow has them, and the promotions that stand in the log."""

import asyncio
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, Field

from contracts.events.admin import ModelPromoted
from ml.registry.registry import NotRegistered, Registry, RegistryAway, Version
from projections.folds.tables import ADMIN_ACTIONS
from services.api.admin.model_shadows import ModelShadow, model_shadows
from services.api.admin.router import admin_router
from services.api.admin.rows import present
from services.api.parts import Parts, PartsOf

router = admin_router("/models")

MOST = 200


class ModelVersion(BaseModel):
    """A registered version; `id` is what a promotion calls it, `card` the version's description in Markdown."""

    id: str
    name: str
    version: str
    aliases: list[str]
    card: str | None
    tags: dict[str, str]
    run_id: str | None
    status: str
    created_at: datetime


class Promotion(BaseModel):
    """A model's prior joined every score of its feature set from `seq` on; `live` until the next one of that set."""

    model_version: str
    feature_set: str
    actor: str
    occurred_at: datetime
    seq: int
    reason: str | None = None
    live: bool


class Models(BaseModel):
    """`registry` says whether MLflow answered; promotions and shadows come from the log and are there in any case."""

    registry: Literal["up", "away", "off"]
    detail: str | None = Field(default=None, description="why there are no versions, in words")
    versions: list[ModelVersion]
    promotions: list[Promotion]
    shadows: list[ModelShadow]


@router.get("")
async def get_models(parts: PartsOf) -> Models:
    """Every registered version, the latest first, and who promoted which model, or put it into shadow, when."""
    return await models(parts)


async def models(parts: Parts) -> Models:
    """The registry, the promotions and the shadows, the latest first."""
    logged = await asyncio.to_thread(lambda: {"promotions": promotions(parts), "shadows": model_shadows(parts)})
    if parts.settings.mlflow == "off":
        detail = "MLflow is switched off (TIPSTREAM_MLFLOW=off)"
        return Models(registry="off", detail=detail, versions=[], **logged)
    try:
        found = [_shown(version) for version in await Registry(parts.mlflow).versions()]
    except (RegistryAway, NotRegistered) as problem:
        return Models(registry="away", detail=str(problem), versions=[], **logged)
    return Models(registry="up", versions=found, **logged)


def promotions(parts: Parts) -> list[Promotion]:
    """Every ModelPromoted of the log, the latest first; without their matrices."""
    found: list[Promotion] = []
    for row in parts.read_model.admin_actions(MOST, kind=ModelPromoted.ce_type()):
        shown = present(ADMIN_ACTIONS, row)
        body = shown["body"]
        live = all(one.feature_set != body["feature_set"] for one in found)
        found.append(Promotion(**{**shown, **body}, live=live))
    return found


def _shown(version: Version) -> ModelVersion:
    return ModelVersion(
        id=version.id,
        name=version.name,
        version=version.version,
        aliases=version.aliases,
        card=version.text,
        tags=version.tags,
        run_id=version.run_id,
        status=version.status,
        created_at=datetime.fromtimestamp(version.created_ms / 1000, UTC),
    )
