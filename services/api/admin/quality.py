"""How good the data is: missing features, stale tokens, completeness, and what could not count."""

import asyncio
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from contracts.events.base import MAX_INTEGER, Id
from services.api.admin.cards import training_window
from services.api.admin.dead_letters import reasons
from services.api.admin.reports import Rows, report
from services.api.admin.router import admin_router
from services.api.admin.windows import Window, WindowOf
from services.api.parts import Parts, PartsOf
from services.problems import Problem

router = admin_router("/data-quality")

Seq = Annotated[int, Field(ge=0, le=MAX_INTEGER)]


class QualityDay(BaseModel):
    """One day; a share is null when there was nothing to take it of."""

    day: date
    decisions: int
    external_decisions: int
    feature_values: int = Field(alias="values")
    imputed: int
    missing_rate: float | None
    stale_decisions: int
    stale_rate: float | None
    reacted: int
    feedback_completeness: float | None
    expected_source_days: int
    reported_source_days: int
    source_completeness: float | None


class FeatureDay(BaseModel):
    """In how many of a day's decisions a feature was imputed; features that never were in the window have no rows."""

    day: date
    feature_set: str
    feature: str
    imputed: int
    decisions: int
    missing_rate: float


class SourceDay(BaseModel):
    """In how many of a day's decisions a source's token had expired; sources whose never had have no rows."""

    day: date
    source: str
    stale: int
    decisions: int
    stale_rate: float


class Drift(BaseModel):
    """How far a feature of chosen tips, or a signal, has moved: its population stability index against a reference.

    `by_chance` is what it is on average when nothing has changed; `band` is `stable` below 0.1, `moderate` up to 0.25,
    and `unclear` when there are too few values for chance to stay below 0.1.
    """

    kind: Literal["feature", "signal"]
    feature_set: str
    name: str
    psi: float
    by_chance: float
    band: Literal["stable", "moderate", "significant", "unclear"]
    bins: int
    reference_values: int
    window_values: int
    reference_mean: float
    window_mean: float


class ReasonCount(BaseModel):
    """Dead letters of one reason; `open` ones were not skipped yet."""

    reason: str
    letters: int
    open: int
    latest: datetime


class DataQuality(BaseModel):
    """Missing features, stale tokens and completeness by day; dead letters by reason, whatever the window."""

    daily: list[QualityDay]
    missing: list[FeatureDay]
    stale: list[SourceDay]
    dead_letters: list[ReasonCount]


@router.get("")
async def get_data_quality(
    parts: PartsOf,
    window: WindowOf,
    limit: Annotated[int, Query(ge=1, le=10_000, description="rows of `daily`, the latest day first")] = 1000,
) -> DataQuality:
    """Data quality by day."""
    return await data_quality(parts, window, limit)


@router.get("/drift")
async def get_drift(
    parts: PartsOf,
    window: WindowOf,
    model: Annotated[Id | None, Query(description="a version: its training window is the reference")] = None,
    first_seq: Annotated[Seq | None, Query(description="where the reference begins")] = None,
    last_seq: Annotated[Seq | None, Query(description="where the reference ends, within it")] = None,
) -> list[Drift]:
    """Drift against decisions of the reference; without one, against the window of the same length just before."""
    if model is not None:
        if first_seq is not None or last_seq is not None:
            raise Problem.invalid([("model", "names the reference; first_seq and last_seq would name another")])
        first_seq, last_seq = await training_window(parts, model)
    if first_seq is not None and last_seq is not None and last_seq < first_seq:
        raise Problem.invalid([("last_seq", "is before first_seq")])
    return [Drift.model_validate(row) for row in await drift(parts, window, first_seq, last_seq)]


async def drift(parts: Parts, window: Window, first_seq: int | None = None, last_seq: int | None = None) -> Rows:
    """The report `drift`, what moved most first. Raises BusUnavailable, RequestFailed."""
    return await report(parts, "drift", first_seq=first_seq, last_seq=last_seq, **window.moments())


async def data_quality(parts: Parts, window: Window, limit: int = 1000) -> DataQuality:
    """Everything at once. Raises BusUnavailable, RequestFailed."""
    daily, missing, stale, letters = await asyncio.gather(
        quality_of(parts, "quality_daily", window, limit),
        quality_of(parts, "missing_by_feature", window),
        quality_of(parts, "stale_by_source", window),
        asyncio.to_thread(reasons, parts),
    )
    found: dict[str, Any] = {"daily": daily, "missing": missing, "stale": stale, "dead_letters": letters}
    return DataQuality.model_validate(found)


async def quality_of(parts: Parts, name: str, window: Window, limit: int | None = None) -> Rows:
    """A report on the quality of a window's data. Raises BusUnavailable, RequestFailed."""
    return await report(parts, name, limit=limit, **window.moments())
