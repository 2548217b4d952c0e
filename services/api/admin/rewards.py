"""What people made of their tips: reactions and rewards over a window, by day, policy, tip and category."""

import asyncio
from datetime import date
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel

from services.api.admin.reports import Limit, Rows, report, view
from services.api.admin.router import admin_router
from services.api.admin.windows import EXTERNAL, Source, SourceOf, Window, WindowOf
from services.api.parts import Parts, PartsOf

router = admin_router("/reward-analytics")

EVERYTHING = Window()


class Reactions(BaseModel):
    """Decisions and what stands now of their reactions."""

    decisions: int
    reacted: int
    helpful: int
    not_helpful: int
    done: int
    snoozed: int
    dismissed: int


class ReactionDay(Reactions):
    """One day."""

    day: date


class Rewarded(Reactions):
    """Rewards of the same decisions: without a reaction 0 in `reward_per_decision`, whose 95 % interval stands beside
    it, left out of `reward_per_reaction`; `external` decisions are imported ones."""

    external: bool
    reward_sum: float
    reward_per_decision: float
    reward_per_reaction: float | None
    stderr: float | None
    ci_low: float | None
    ci_high: float | None


class PolicyDay(Rewarded):
    """One policy on one day."""

    day: date
    policy: str


class PolicyFigures(Rewarded):
    """One policy; `young_share` is the share of its decisions whose reaction may still come."""

    policy: str
    variance: float | None
    explored_share: float
    mean_latency_us: float | None
    young_share: float


class TipFigures(Rewarded):
    """One tip; its title and category are null when it is not in the catalog."""

    tip_id: str
    title: str | None
    category: str | None
    active: bool | None


class CategoryFigures(Rewarded):
    """The tips of one category; null for tips that are not in the catalog."""

    category: str | None


class ArmFigures(BaseModel):
    """One arm of an experiment between its start and stop."""

    experiment_id: str
    policy: str
    people: int
    decisions: int
    reacted: int
    reward_sum: float
    reward_per_decision: float | None
    reward_per_reaction: float | None


class RandomEstimate(BaseModel):
    """What a random choice among the same candidates would have earned a decision, by logged propensities, beside what
    the same decisions (older than 24 h) earned; `effective_decisions` says how many such the estimate is worth."""

    decisions: int
    effective_decisions: float | None
    reward_per_decision: float | None
    estimate: float | None
    stderr: float | None


class RewardAnalytics(BaseModel):
    """Rewards by day and policy, reactions by day, policies and experiments' arms side by side, and a random choice."""

    daily: list[PolicyDay]
    reactions: list[ReactionDay]
    policies: list[PolicyFigures]
    random: RandomEstimate
    experiments: list[ArmFigures]


@router.get("")
async def get_reward_analytics(
    parts: PartsOf,
    window: WindowOf,
    source: SourceOf = "all",
    limit: Annotated[int, Query(ge=1, le=10_000, description="rows of `daily`, the latest day first")] = 1000,
) -> RewardAnalytics:
    """Rewards by day, by policy and by experiment."""
    return await reward_analytics(parts, limit, window=window, source=source)


@router.get("/tips", response_model=list[TipFigures])
async def get_tip_rewards(parts: PartsOf, window: WindowOf, source: SourceOf = "all", limit: Limit = 1000) -> Rows:
    """Rewards by tip, the most shown first."""
    return await of_window(parts, "rewards_by_tip", window, source, limit)


@router.get("/categories", response_model=list[CategoryFigures])
async def get_category_rewards(parts: PartsOf, window: WindowOf, source: SourceOf = "all") -> Rows:
    """Rewards by category, the most shown first."""
    return await of_window(parts, "rewards_by_category", window, source)


async def reward_analytics(
    parts: Parts, limit: int = 1000, *, window: Window = EVERYTHING, source: Source = "all"
) -> RewardAnalytics:
    """Everything the analytics process says of rewards. Raises BusUnavailable, RequestFailed."""
    daily, reactions, policies, random, experiments = await asyncio.gather(
        of_window(parts, "daily_rewards", window, source, limit),
        of_window(parts, "daily_reactions", window, source),
        of_window(parts, "policies_compared", window, source),
        random_estimate(parts, window, source),
        arms(parts),
    )
    found = {"daily": daily, "reactions": reactions, "policies": policies, "random": random, "experiments": experiments}
    return RewardAnalytics.model_validate(found)


async def of_window(parts: Parts, name: str, window: Window, source: Source = "all", limit: int | None = None) -> Rows:
    """A report on the decisions of a window. Raises BusUnavailable, RequestFailed."""
    return await report(parts, name, limit=limit, external=EXTERNAL[source], **window.moments())


async def random_estimate(parts: Parts, window: Window, source: Source = "all") -> dict[str, Any]:
    """What a random choice would have earned. Raises BusUnavailable, RequestFailed."""
    (found,) = await of_window(parts, "random_estimate", window, source)
    return found


async def arms(parts: Parts) -> Rows:
    """Each experiment's arms between its start and stop. Raises BusUnavailable, RequestFailed."""
    return await view(parts, "experiment_compare", 1000)
