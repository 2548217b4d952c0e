"""Models: versions and aliases as MLflow has them, and the promotions that stand in the log."""

import asyncio
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any, Literal

import httpx
from fastapi import APIRouter
from pydantic import BaseModel, Field

from contracts.events.admin import ModelPromoted
from ml.registry.server import MOUNT
from projections.folds.tables import ADMIN_ACTIONS
from services.api.admin.rows import present
from services.api.parts import Parts, PartsOf

router = APIRouter(prefix="/models")

REGISTRY = f"{MOUNT}/api/2.0/mlflow"
MOST = 200
ANSWER_S = 5.0


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
    """`registry` says whether MLflow answered; promotions come from the log and are there in any case."""

    registry: Literal["up", "away", "off"]
    detail: str | None = Field(default=None, description="why there are no versions, in words")
    versions: list[ModelVersion]
    promotions: list[Promotion]


@router.get("")
async def get_models(parts: PartsOf) -> Models:
    """Every registered version, the latest first, and who promoted which model when."""
    return await models(parts)


async def models(parts: Parts) -> Models:
    """The registry and the promotions, the latest first."""
    promoted = await asyncio.to_thread(promotions, parts)
    if parts.settings.mlflow == "off":
        detail = "MLflow is switched off (TIPSTREAM_MLFLOW=off)"
        return Models(registry="off", detail=detail, versions=[], promotions=promoted)
    try:
        return Models(registry="up", versions=await versions(parts), promotions=promoted)
    except (httpx.HTTPError, ValueError, KeyError) as problem:
        detail = f"MLflow does not answer ({type(problem).__name__}); it takes up to a minute to start"
        return Models(registry="away", detail=detail, versions=[], promotions=promoted)


async def versions(parts: Parts) -> list[ModelVersion]:
    """What MLflow has registered, the latest first. Raises httpx.HTTPError."""
    rows, models = await asyncio.gather(
        _search(parts, "model-versions", order_by="creation_timestamp DESC"), _search(parts, "registered-models")
    )
    aliases: dict[tuple[str, str], list[str]] = defaultdict(list)
    for model in models:
        for alias in model.get("aliases", ()):
            aliases[model["name"], alias["version"]].append(alias["alias"])
    return [_version(row, sorted(aliases[row["name"], row["version"]])) for row in rows]


def promotions(parts: Parts) -> list[Promotion]:
    """Every ModelPromoted of the log, the latest first; without their matrices."""
    found: list[Promotion] = []
    for row in parts.read_model.admin_actions(MOST, kind=ModelPromoted.ce_type()):
        shown = present(ADMIN_ACTIONS, row)
        body = shown["body"]
        live = all(one.feature_set != body["feature_set"] for one in found)
        found.append(Promotion(**{**shown, **body}, live=live))
    return found


async def _search(parts: Parts, what: str, **query: Any) -> list[dict[str, Any]]:
    answer = await parts.mlflow.get(
        f"{REGISTRY}/{what}/search", params={"max_results": MOST, **query}, timeout=ANSWER_S
    )
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json().get(what.replace("-", "_"), [])
    return found


def _version(row: dict[str, Any], aliases: list[str]) -> ModelVersion:
    return ModelVersion(
        id=f"{row['name']}/{row['version']}",
        name=row["name"],
        version=row["version"],
        aliases=aliases,
        card=row.get("description") or None,
        tags={tag["key"]: tag.get("value", "") for tag in row.get("tags", ())},
        run_id=row.get("run_id") or None,
        status=row["status"],
        created_at=datetime.fromtimestamp(row["creation_timestamp"] / 1000, UTC),
    )
