"""What the tips page does for one person: their tip now, their answer, and the next tip that knows the answer."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import httpx

from console.reasons import ON_THE_WHOLE, reason_for
from contracts.errors import TipstreamError
from contracts.events.person import FeedbackReceived
from contracts.rewards import Action
from contracts.times import SECOND_US
from services.api.admin.why import why
from services.api.intake import take_feedback
from services.api.parts import Parts
from services.bus.errors import BusUnavailable
from services.problems import Problem
from services.publishing import new_id, now_us
from services.recommender.recommendation import RecommendationRequest

OURS = "tips-"
"""How the ids of this page's decisions begin, so that a tip given elsewhere is not taken for the one shown here."""

KEEP_US = 30 * 60 * SECOND_US
"""A tip without an answer is shown again when the page is opened again, until it is this old."""

RECENT = 20
LOOKS, LOOK_AGAIN_S = 60, 0.05


@dataclass(frozen=True, slots=True)
class OwnTip:
    """One tip for one person: the decision, and the tip as the catalog has it."""

    decision_id: str
    tip_id: str
    title: str
    body: str
    category: str
    minutes: int
    effort: int


async def tip_now(parts: Parts, user_id: str, offset_minutes: int) -> OwnTip:
    """The tip that still waits for an answer, else a new one. Raises TipstreamError."""
    waiting = await asyncio.to_thread(_waiting, parts, user_id)
    return waiting if waiting is not None else await next_tip(parts, user_id, offset_minutes)


async def next_tip(
    parts: Parts, user_id: str, offset_minutes: int, *, min_seq: int | None = None, after: str | None = None
) -> OwnTip:
    """A new tip that knows the log up to `min_seq`, another than `after`; the clock is so many minutes ahead of UTC."""
    request = RecommendationRequest(
        user_id=user_id,
        context={"now": local_now(offset_minutes)},
        candidates=await asyncio.to_thread(_others, parts, after),
        decision_id=OURS + new_id(),
        min_seq=min_seq,
    )
    chosen = await parts.recommender.recommend(request)
    tip_id = chosen.tips[0].tip_id
    tip = await asyncio.to_thread(parts.read_model.tip, tip_id)
    if tip is None:
        raise Problem(503, "Not available now", "the tip is not in the catalog yet")
    return _own(chosen.decision_id, tip)


async def answer(parts: Parts, user_id: str, tip: OwnTip, action: Action, event_id: str) -> int:
    """Publish what a person did with their tip; its sequence. Saying it again with the same `event_id` counts once."""
    feedback = FeedbackReceived(
        user_id=user_id, action=action, decision_id=tip.decision_id, tip_id=tip.tip_id, event_id=event_id
    )
    return (await take_feedback(parts.link, feedback)).seq


async def answers_learned(parts: Parts, user_id: str, min_seq: int | None = None) -> int | None:
    """From how many answers Tipstream has learned of a person, None while the scorer does not say."""
    query = {} if min_seq is None else {"min_seq": min_seq}
    # Dots too: the client would take `..` for the folder above.
    encoded = quote(user_id, safe="").replace(".", "%2E")
    try:
        answered = await parts.scorer.get(f"/stats/{encoded}", params=query)
    except httpx.TransportError:
        return None
    return int(answered.json()["pulls"]) if answered.is_success else None


async def reason(parts: Parts, tip: OwnTip) -> str:
    """Why this tip, in one sentence; a general one until the decision is folded. Raises TipstreamError."""
    for _ in range(LOOKS):
        if await asyncio.to_thread(parts.read_model.decision, tip.decision_id) is not None:
            return reason_for(await why(parts, tip.decision_id), tip.category)
        await asyncio.sleep(LOOK_AGAIN_S)
    return ON_THE_WHOLE


def local_now(offset_minutes: int) -> str:
    """This moment as RFC 3339 on a clock that is so many minutes ahead of UTC."""
    zone = timezone(timedelta(minutes=max(-14 * 60, min(14 * 60, offset_minutes))))
    return datetime.now(zone).isoformat(timespec="milliseconds")


def unconfirmed(problem: TipstreamError) -> bool:
    """Whether what was sent may have arrived all the same, or will."""
    return isinstance(problem, BusUnavailable) or (isinstance(problem, Problem) and problem.status == 503)


def trouble(problem: TipstreamError) -> str:
    """What went wrong, for somebody who does not run the system."""
    if isinstance(problem, Problem) and problem.status in (401, 403):
        return str(problem)
    return "Tipstream cannot be reached at the moment."


def _others(parts: Parts, tip_id: str | None) -> list[str] | None:
    """What may be shown after a tip; None for all. The same tip twice in a row would look like a stuck page."""
    others = [str(row["tip_id"]) for row in parts.read_model.tips(active=True) if row["tip_id"] != tip_id]
    return others if tip_id is not None and others else None


def _waiting(parts: Parts, user_id: str) -> OwnTip | None:
    since = now_us() - KEEP_US
    for row in parts.read_model.decisions(user_id, RECENT):
        if row["decision_id"].startswith(OURS):
            tip = parts.read_model.tip(row["tip_id"])
            fresh = row["reacted_at"] is None and row["recorded_at"] >= since
            return _own(row["decision_id"], tip) if fresh and tip is not None and tip["active"] else None
    return None


def _own(decision_id: str, tip: dict[str, Any]) -> OwnTip:
    return OwnTip(
        decision_id=decision_id,
        **{name: tip[name] for name in ("tip_id", "title", "body", "category", "minutes", "effort")},
    )
