"""Scoring calls answered: decide from the folded state, log the decision, and say whether the stream has it.

A decision id is answered once: the same id finds the same decision in flight, in the outbox or in the stream.
"""

import asyncio
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import orjson

from contracts.codec import MAX_BODY_BYTES, encode
from contracts.envelope import Message, Recorded
from contracts.events.person import TipScored
from contracts.times import SECOND_US
from ml.policies.decision import CallRefused, ScoringCall
from ml.policies.posterior import SumsError
from ml.serving.delivery import Delivery
from ml.serving.metrics import Metrics
from ml.serving.requests import ScoreRequest
from ml.serving.state import FoldedState
from services.bus.errors import BusUnavailable
from services.problems import Problem
from services.publishing import new_id, now_us
from services.recommender.assignment import assign

SOURCE = "/tipstream/scorer"
CATCH_UP_S = 2.0
READ_BACK_S = 2.0


@dataclass(frozen=True, slots=True)
class Scored:
    """A decision with what only its first answer knows: whether it is logged, and the context keys it ignored."""

    event: TipScored
    logged: bool
    ignored: tuple[str, ...] = ()

    def answer(self) -> dict[str, Any]:
        """The body of the answer."""
        event = self.event
        rows = zip(event.candidate_ids(), event.score, event.mean, event.bonus, strict=True)
        return {
            "decision_id": event.decision_id,
            "policy": event.policy,
            "tip_id": event.tip_id,
            "propensity": event.propensity,
            "scores": [
                {"tip_id": tip_id, "score": score, "mean": mean, "bonus": bonus} for tip_id, score, mean, bonus in rows
            ],
            "state_version": event.state_version,
            "model_seq": event.model_seq,
            "latency_ms": event.latency_us / 1000,
            "logged": self.logged,
            "explored": event.explored,
            "missing": event.missing,
            "stale_sources": event.stale_sources,
            "ignored": self.ignored,
        }


class Scoring:
    """Answers `POST /score`."""

    def __init__(self, folded: FoldedState, delivery: Delivery, metrics: Metrics) -> None:
        self._folded, self._delivery, self._metrics = folded, delivery, metrics
        self._in_flight: dict[str, asyncio.Future[Scored]] = {}

    async def score(self, request: ScoreRequest, traceparent: str | None = None) -> Scored:
        """Decide and log, or find the decision that has the id already. Raises Problem, OutboxBroken."""
        began = perf_counter()
        self._folded.require_ready()
        if request.min_seq is not None:
            await self._folded.caught_up(request.min_seq, CATCH_UP_S)
        if request.decision_id is None:
            return await self._decide(request, new_id(), began, traceparent)
        known = await self._known(request.decision_id)
        if known is not None:
            return _same_person(known, request)
        future: asyncio.Future[Scored] = asyncio.get_running_loop().create_future()
        self._in_flight[request.decision_id] = future
        try:
            scored = await self._decide(request, request.decision_id, began, traceparent)
        except BaseException as error:
            future.set_exception(error)
            future.exception()
            raise
        finally:
            del self._in_flight[request.decision_id]
        future.set_result(scored)
        return _same_person(scored, request)

    async def _known(self, decision_id: str) -> Scored | None:
        """The decision under an id, wherever it is on its way."""
        if decision_id in self._in_flight:
            return await asyncio.shield(self._in_flight[decision_id])
        waiting = self._delivery.outbox.find(decision_id) if decision_id in self._delivery.outbox else None
        if waiting is not None:
            return Scored(_read(waiting.data), logged=False)
        decision = self._folded.state.attribution.decisions.get(decision_id)
        if decision is None:
            return None
        return Scored(_read((await self._read_back(decision.seq)).data), logged=True)

    async def _read_back(self, seq: int) -> Recorded:
        try:
            async with asyncio.timeout(READ_BACK_S):
                held = await self._delivery.bus.get(seq) if self._delivery.bus is not None else None
        except (TimeoutError, BusUnavailable):
            held = None
        if held is None:
            raise Problem.unavailable("the decision under this id is in the log, which cannot be read at the moment")
        return held

    async def _decide(self, request: ScoreRequest, decision_id: str, began: float, traceparent: str | None) -> Scored:
        event, ignored = self._decision(request, decision_id, began)
        message = encode(event, event_id=decision_id, source=SOURCE, traceparent=traceparent)
        if len(message.data) > MAX_BODY_BYTES:
            raise Problem.invalid([("candidates", f"make an event of {len(message.data)} bytes, {MAX_BODY_BYTES} fit")])
        scoring_s = perf_counter() - began
        scored = await self._deliver(event, message, ignored)
        self._metrics.decided(
            event.policy,
            explored=event.explored,
            logged=scored.logged,
            scoring_s=scoring_s,
            answering_s=perf_counter() - began,
        )
        return scored

    def _decision(self, request: ScoreRequest, decision_id: str, began: float) -> tuple[TipScored, tuple[str, ...]]:
        state, decider, now = self._folded.state, self._folded.decider, now_us()
        policy = request.policy or assign(request.user_id, {one.policy: one.weight for one in state.policies.live()})
        try:
            context = decider.read(request.context, now)
            call = ScoringCall(decision_id, request.user_id, policy, request.tips())
            event = decider.decide(state, call, context, now)
        except CallRefused as refusal:
            raise Problem.invalid([(refusal.field, refusal.problem)]) from None
        except SumsError as error:
            raise Problem(500, "These sums cannot be scored", str(error), field="user_id") from None
        event = event.model_copy(update={"latency_us": round((perf_counter() - began) * SECOND_US)})
        return event, context.ignored

    async def _deliver(self, event: TipScored, message: Message, ignored: tuple[str, ...]) -> Scored:
        delivered = await self._delivery.deliver(event.decision_id, message)
        if delivered.held is None:
            return Scored(event, delivered.logged, ignored)
        # The stream had another message under this id: the answer of an earlier call that was not folded yet.
        if delivered.held.subject.split(".")[1] != "scored":
            raise Problem(409, "The id is taken", "another event holds this decision_id", field="decision_id")
        return Scored(_read(delivered.held.data), logged=True)


def _read(data: bytes) -> TipScored:
    return TipScored.model_validate(orjson.loads(data))


def _same_person(scored: Scored, request: ScoreRequest) -> Scored:
    if scored.event.user_id != request.user_id:
        raise Problem(409, "The id is taken", "this decision_id is another person's decision", field="decision_id")
    return scored
