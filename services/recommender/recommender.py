"""One recommendation: who may decide, among which tips, knowing what; the scorer decides and logs."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from contracts.events.person import MAX_CANDIDATES
from services.publishing import new_id, now_us
from services.recommender.assignment import policy_for
from services.recommender.context import context_of
from services.recommender.errors import NotReady, Refused
from services.recommender.recommendation import Recommendation, RecommendationRequest, RecommendedTip

CATCH_UP_S = 2.0
LOOK_AGAIN_S = 0.005

Row = Mapping[str, Any]


class ReadSide(Protocol):
    """What the recommender asks of the read model; called in a worker thread."""

    def seq(self) -> int: ...
    def policies(self) -> Sequence[Row]: ...
    def running(self) -> Sequence[Row]: ...
    def tips(self, active: bool | None = None) -> Sequence[Row]: ...
    def online_features(self, user_id: str) -> Sequence[Row]: ...


class Scorer(Protocol):
    """Who decides and logs the decision."""

    async def score(self, body: dict[str, Any], traceparent: str | None = None) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Known:
    """What the read model holds for one recommendation."""

    policies: Sequence[Row]
    running: Sequence[Row]
    tips: Sequence[Row]
    online_features: Sequence[Row]


class Recommender:
    """Joins the read model and the scorer; `clock` gives microseconds since 1970."""

    def __init__(self, read_side: ReadSide, scorer: Scorer, clock: Callable[[], int] = now_us) -> None:
        self._read_side = read_side
        self._scorer = scorer
        self._clock = clock

    async def recommend(self, request: RecommendationRequest, traceparent: str | None = None) -> Recommendation:
        """The decision and its alternatives. Raises Refused, NotReady (ScorerAway), and what the read side raises."""
        if request.min_seq is not None:
            await self._reach(request.min_seq)
        known = await asyncio.to_thread(self._look, request.user_id)
        candidates = _candidates(request.candidates, known.tips)
        context, ignored = context_of(known.online_features, request.context, self._clock())
        body: dict[str, Any] = {
            "user_id": request.user_id,
            "context": context,
            "candidates": candidates,
            "policy": policy_for(request.user_id, known.policies, known.running),
            "decision_id": request.decision_id or new_id(),
        }
        if request.min_seq is not None:
            body["min_seq"] = request.min_seq
        try:
            scored = await self._scorer.score(body, traceparent)
        except Refused as refusal:
            raise _whose(refusal, request) from None
        return _answer(scored, known.tips, request.n, ignored)

    def _look(self, user_id: str) -> Known:
        read_side = self._read_side
        features = read_side.online_features(user_id)
        return Known(read_side.policies(), read_side.running(), read_side.tips(), features)

    async def _reach(self, seq: int) -> None:
        """Wait a moment until signals, tips and policies up to `seq` are in the read model."""
        deadline = monotonic() + CATCH_UP_S
        while (at := await asyncio.to_thread(self._read_side.seq)) < seq:
            if monotonic() > deadline:
                raise NotReady(f"the read model stands at {at}, min_seq asks for {seq}", "min_seq")
            await asyncio.sleep(LOOK_AGAIN_S)


def _candidates(asked: Sequence[str] | None, tips: Sequence[Row]) -> list[str]:
    """The ids to score, in a fixed order."""
    active = [str(row["tip_id"]) for row in tips if row["active"]]
    if asked is None:
        if not active:
            raise NotReady("no tip is active; publish one, or wait until the projector has read the catalog")
        if len(active) > MAX_CANDIDATES:
            detail = f"{len(active)} tips are active, one call takes {MAX_CANDIDATES}: name those that may be shown"
            raise Refused([("candidates", detail)])
        return active
    showable = frozenset(active)
    first: dict[str, int] = {}
    faults = []
    for index, tip_id in enumerate(asked):
        if tip_id not in showable:
            faults.append((f"candidates[{index}]", f"{tip_id[:80]!r} is not an active tip"))
        elif first.setdefault(tip_id, index) != index:
            faults.append((f"candidates[{index}]", f"{tip_id[:80]!r} stands at candidates[{first[tip_id]}] already"))
    if faults:
        raise Refused(faults)
    return list(asked)


def _whose(refusal: Refused, request: RecommendationRequest) -> Refused | NotReady:
    """A fault in a field that the caller wrote is the caller's; any other is ours and may pass."""
    given = {name for name in type(request).model_fields if getattr(request, name) is not None}
    if all(field.replace("[", ".").partition(".")[0] in given for field, _ in refusal.errors):
        return refusal
    return NotReady(f"the scorer does not take what the read model says: {refusal}")


def _answer(scored: Mapping[str, Any], tips: Sequence[Row], n: int, ignored: Sequence[str]) -> Recommendation:
    titles = {str(row["tip_id"]): str(row["title"]) for row in tips}
    chosen = scored["tip_id"]
    ranked = sorted(scored["scores"], key=lambda one: (one["tip_id"] != chosen, -one["score"], one["tip_id"]))
    return Recommendation(
        decision_id=scored["decision_id"],
        policy=scored["policy"],
        tips=[
            RecommendedTip(
                tip_id=one["tip_id"],
                title=titles.get(one["tip_id"], one["tip_id"]),
                score=one["score"],
                mean=one["mean"],
                bonus=one["bonus"],
            )
            for one in ranked[:n]
        ],
        propensity=scored["propensity"],
        state_version=scored["state_version"],
        logged=scored["logged"],
        missing=list(scored.get("missing") or ()),
        stale_sources=list(scored.get("stale_sources") or ()),
        ignored=list(ignored),
    )
