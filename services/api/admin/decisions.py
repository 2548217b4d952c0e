"""The decision log: who was shown what, when, by which policy, and what came of it."""

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from contracts.events.base import MAX_INTEGER, Id, Name
from contracts.times import Moment, format_time
from projections.folds.tables import TIP_SCORES
from services.api.admin.reports import report
from services.api.admin.router import admin_router
from services.api.admin.rows import present
from services.api.parts import Parts, PartsOf

router = admin_router("/decisions")


class LogQuery(BaseModel):
    """Which decisions: what is left out does not count. `since` and `until` bound `occurred_at`, `until` excluded."""

    model_config = ConfigDict(extra="forbid")

    user_id: Id | None = None
    tip_id: Id | None = None
    policy: Name | None = None
    since: Moment | None = None
    until: Moment | None = None
    reacted: bool | None = None
    before: Annotated[int, Field(ge=1, le=MAX_INTEGER)] | None = Field(
        default=None, description="`next` of the page before: only decisions older in the stream"
    )
    limit: Annotated[int, Field(ge=1, le=500)] = 50

    def searches(self) -> dict[str, Any]:
        """The filters that no index of the read model serves, as a report takes them."""
        moments = {"since": self.since, "until": self.until}
        given: dict[str, Any] = {name: format_time(value) for name, value in moments.items() if value is not None}
        plain = {"tip_id": self.tip_id, "policy": self.policy, "reacted": self.reacted}
        return given | {name: value for name, value in plain.items() if value is not None}


class LoggedDecision(BaseModel):
    """One decision with its reward so far; mean, bonus and score are the chosen tip's, null for external decisions."""

    seq: int
    decision_id: str
    user_id: str
    tip_id: str
    policy: str
    policy_version: int
    mean: float | None
    bonus: float | None
    score: float | None
    propensity: float
    explored: bool
    external: bool
    imputed: int
    feature_count: int
    candidate_count: int
    latency_us: int
    occurred_at: datetime
    recorded_at: datetime
    verdict: str | None
    outcome: str | None
    reward: float | None
    reacted_at: datetime | None
    reactions: int


class DecisionPage(BaseModel):
    """Decisions, the latest in the stream first; `next` asks for the page after, null on the last one."""

    decisions: list[LoggedDecision]
    next: int | None


@router.get("")
async def get_decisions(parts: PartsOf, query: Annotated[LogQuery, Query()]) -> DecisionPage:
    """The decision log, newest first, by person, tip, policy, time and reaction."""
    return await decisions(parts, query)


async def decisions(parts: Parts, query: LogQuery) -> DecisionPage:
    """A page of the log. Raises BusUnavailable and RequestFailed for what only the analytics process can search."""
    # One row more than asked for says whether there is another page.
    most, searched = query.limit + 1, query.searches()
    if searched:
        searched |= {"user_id": query.user_id, "before": query.before}
        rows = await report(parts, "decision_log", limit=most, **searched)
    else:
        found = await asyncio.to_thread(parts.read_model.decisions, query.user_id, most, query.before)
        rows = [present(TIP_SCORES, row) for row in found]
    page = [LoggedDecision.model_validate(row) for row in rows[: query.limit]]
    return DecisionPage(decisions=page, next=page[-1].seq if len(rows) > query.limit else None)
