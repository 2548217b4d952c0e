"""Experiments and what LinUCB has learned: of everybody, and of one person."""

import asyncio
from datetime import datetime
from typing import Any

import httpx
from pydantic import BaseModel

from ml.features.definitions import FEATURE_SETS
from projections.folds.tables import EXPERIMENTS
from services.api.admin.reports import Rows, report
from services.api.admin.rewards import PolicyDay, of_window
from services.api.admin.router import admin_router
from services.api.admin.rows import present, row_model
from services.api.admin.windows import Window, WindowOf
from services.api.parts import Parts, PartsOf
from services.api.paths import UserInPath
from services.paths import USER_ID, in_path
from services.problems import Problem

router = admin_router("/experiments")


class PopulationFigures(BaseModel):
    """People who got a tip of ours, and their pulls since their last reset; null of nobody."""

    people: int
    pulls: int
    without_pulls: int
    median_pulls: float | None
    p90_pulls: int | None
    most_pulls: int | None
    ever_reset: int


class PullsStep(BaseModel):
    """How many people have `from_pulls` to `to_pulls`."""

    from_pulls: int
    to_pulls: int
    people: int


class CurveStep(BaseModel):
    """Mean reward of people's n-th reacted decisions of the window, by the policy that made them."""

    policy: str
    from_reaction: int
    to_reaction: int
    reacted: int
    reward_per_reaction: float
    stderr: float | None


class Population(BaseModel):
    """What has been learned of everybody: pulls now; rewards and learning curve over the window."""

    figures: PopulationFigures
    distribution: list[PullsStep]
    daily: list[PolicyDay]
    learning: list[CurveStep]


class Weight(BaseModel):
    """A feature's part in a person's scores: theta, `uncertainty` its standard deviation, `width` alpha times that."""

    feature: str
    description: str
    theta: float
    uncertainty: float
    width: float


class CurvePoint(BaseModel):
    """A person's n-th reacted decision, with the reward added up so far."""

    seq: int
    occurred_at: datetime
    n: int
    policy: str
    reward: float
    cumulative_reward: float
    mean_so_far: float


class Learned(BaseModel):
    """What has been learned of one person since `reset_seq` (0: no reset), and the curve of all their reactions."""

    user_id: str
    pulls: int
    cumulative_reward: float
    estimated_mean: float
    feature_set: str
    model_version: str
    state_version: int
    reset_seq: int
    alpha: float
    digest: str
    seq: int
    weights: list[Weight]
    curve: list[CurvePoint]


@router.get("", response_model=list[row_model(EXPERIMENTS)])  # type: ignore[misc]
def get_experiments(parts: PartsOf) -> Rows:
    """Experiments, running and stopped."""
    return experiments(parts)


@router.get("/population")
async def get_population(parts: PartsOf, window: WindowOf) -> Population:
    """What has been learned of everybody."""
    return await population(parts, window)


@router.get(f"/users/{USER_ID}")
async def get_learned(user_id: UserInPath, parts: PartsOf) -> Learned:
    """What has been learned of one person, from the scorer's sums."""
    return await learned(parts, user_id)


def experiments(parts: Parts) -> Rows:
    """Rows of experiments."""
    return [present(EXPERIMENTS, row) for row in parts.read_model.experiments()]


async def population(parts: Parts, window: Window) -> Population:
    """What has been learned of everybody. Raises BusUnavailable, RequestFailed."""
    figures, distribution, daily, learning = await asyncio.gather(
        report(parts, "population"),
        report(parts, "pulls_distribution"),
        of_window(parts, "daily_rewards", window, "ours"),
        report(parts, "learning_curve", **window.moments()),
    )
    found = {"figures": figures[0], "distribution": distribution, "daily": daily, "learning": learning}
    return Population.model_validate(found)


async def learned(parts: Parts, user_id: str) -> Learned:
    """What has been learned of one person, no older than the read model: who saw an event folded there sees it here.

    Raises Problem 503 without the scorer or while it is behind, BusUnavailable, RequestFailed.
    """
    seq = await asyncio.to_thread(parts.read_model.seq)
    stats, curve = await asyncio.gather(_stats(parts, user_id, seq), report(parts, "person_curve", user_id=user_id))
    return Learned.model_validate({**stats, "weights": _weights(stats), "curve": curve})


async def _stats(parts: Parts, user_id: str, min_seq: int) -> dict[str, Any]:
    try:
        answer = await parts.scorer.get(f"/stats/{in_path(user_id)}", params={"min_seq": min_seq})
    except httpx.TransportError as problem:
        raise Problem.unavailable(f"the scorer does not answer ({type(problem).__name__})") from None
    if answer.status_code != 200:
        raise Problem.unavailable(f"the scorer answered {answer.status_code}; see its health")
    stats: dict[str, Any] = answer.json()
    return stats


def _weights(stats: dict[str, Any]) -> list[dict[str, Any]]:
    feature_set = FEATURE_SETS.get(stats["feature_set"])
    described = {feature.name: feature.description for feature in feature_set.features} if feature_set else {}
    parallel = zip(stats["feature_names"], stats["theta"], stats["uncertainty"], strict=True)
    return [
        {
            "feature": name,
            "description": described.get(name, ""),
            "theta": theta,
            "uncertainty": doubt,
            "width": stats["alpha"] * doubt,
        }
        for name, theta, doubt in parallel
    ]
