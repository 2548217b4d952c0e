"""What the analytics process shows of rewards and data quality, and the experiments and history of the read model."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from projections.folds.tables import ADMIN_ACTIONS, EXPERIMENTS
from services.api.admin.rows import present, row_model
from services.api.control import ask
from services.api.parts import Parts, PartsOf

router = APIRouter()

ANSWER_S = 10.0
Limit = Annotated[int, Query(ge=1, le=10_000)]
Rows = list[dict[str, Any]]


class RewardAnalytics(BaseModel):
    """Rewards by day and policy, policies side by side, experiments' arms side by side."""

    daily: Rows
    policies: Rows
    experiments: Rows


class DataQuality(BaseModel):
    """Missing features, stale tokens and completeness by day."""

    daily: Rows


@router.get("/reward-analytics")
async def get_reward_analytics(parts: PartsOf, limit: Limit = 1000) -> RewardAnalytics:
    """Rewards by day, by policy and by experiment."""
    return await reward_analytics(parts, limit)


@router.get("/data-quality")
async def get_data_quality(parts: PartsOf, limit: Limit = 1000) -> DataQuality:
    """Data quality by day."""
    return DataQuality(daily=await view(parts, "data_quality_daily", limit))


@router.get("/experiments", response_model=list[row_model(EXPERIMENTS)])  # type: ignore[misc]
def get_experiments(parts: PartsOf) -> Rows:
    """Experiments, running and stopped."""
    return experiments(parts)


@router.get("/actions", response_model=list[row_model(ADMIN_ACTIONS)])  # type: ignore[misc]
def get_actions(parts: PartsOf, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Rows:
    """Who did what and when, the latest first."""
    return actions(parts, limit)


async def reward_analytics(parts: Parts, limit: int = 1000) -> RewardAnalytics:
    """The three reward views of the analytics process. Raises BusUnavailable, RequestFailed."""
    names = ("reward_daily", "policy_compare", "experiment_compare")
    daily, policies, arms = await asyncio.gather(*(view(parts, name, limit) for name in names))
    return RewardAnalytics(daily=daily, policies=policies, experiments=arms)


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


def experiments(parts: Parts) -> Rows:
    """Rows of experiments."""
    return [present(EXPERIMENTS, row) for row in parts.read_model.experiments()]


def actions(parts: Parts, limit: int = 100) -> Rows:
    """Rows of admin actions, the latest first."""
    return [present(ADMIN_ACTIONS, row) for row in parts.read_model.admin_actions(limit)]
