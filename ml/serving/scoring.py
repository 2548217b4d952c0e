"""Scoring calls answered: decide from the folded state, log the decision, and say whether the stream has it.

A decision id is answered once: the same id finds the same decision in flight, in the outbox or in the stream.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import orjson

from contracts.codec import MAX_BODY_BYTES, UNSIGNED, encode
from contracts.envelope import Entry, Recorded
from contracts.events.person import TipScored
from contracts.times import SECOND_US
from ml.features.vector import ContextVector
from ml.policies.decision import CallRefused, ScoringCall
from ml.policies.posterior import SumsError
from ml.policies.registry import POLICIES
from ml.serving.delivery import Delivery
from ml.serving.metrics import Metrics
from ml.serving.requests import ScoreRequest
from ml.serving.state import FoldedState
from services.bus.errors import BusUnavailable, PublishRefused
from services.problems import Problem
from services.publishing import new_id, now_us
from services.recommender.assignment import assign

SOURCE = "/tipstream/scorer"
CATCH_UP_S = 2.0
READ_BACK_S = 2.0


@dataclass(frozen=True, slots=True)
class Scored:
    """A decision, whether the stream has it, and the paths in the caller's context that no feature reads."""

    event: TipScored
    logged: bool
    ignored: Sequence[str] = ()

    def answer(self) -> dict[str, Any]:
        """The body of the answer; the same for every call with this decision's id, but for `logged`."""
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


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call with its context as read, the moment it came (microseconds since 1970) and the stopwatch since then."""

    request: ScoreRequest
    context: ContextVector
    moment_us: int
    began: float
    traceparent: str | None


class Scoring:
    """Answers `POST /score`."""

    def __init__(self, folded: FoldedState, delivery: Delivery, metrics: Metrics) -> None:
        self._folded, self._delivery, self._metrics = folded, delivery, metrics
        self._in_flight: dict[str, asyncio.Future[Scored]] = {}

    async def score(self, request: ScoreRequest, traceparent: str | None = None) -> Scored:
        """Decide and log, or find the decision that has the id already. Raises Problem."""
        began = perf_counter()
        self._folded.require_ready()
        if request.min_seq is not None:
            await self._folded.caught_up(request.min_seq, CATCH_UP_S)
        moment_us = now_us()
        call = Arrival(request, self._context(request, moment_us), moment_us, began, traceparent)
        if request.decision_id is None:
            scored = await self._decide(call, new_id())
        else:
            scored = await self._once(call, request.decision_id)
        return replace(scored, ignored=call.context.ignored)

    def _context(self, request: ScoreRequest, moment_us: int) -> ContextVector:
        try:
            return self._folded.decider.read(request.context, moment_us)
        except CallRefused as refusal:
            raise Problem.invalid([(refusal.field, refusal.problem)]) from None

    async def _once(self, call: Arrival, decision_id: str) -> Scored:
        """The decision that has this id, made now if there is none; calls at the same time get one decision."""
        known = await self._known(decision_id)
        if known is None:
            # Nothing was awaited since the look into `_in_flight`, so no other call can have come between.
            future: asyncio.Future[Scored] = asyncio.get_running_loop().create_future()
            self._in_flight[decision_id] = future
            try:
                known = await self._decide(call, decision_id)
                future.set_result(known)
            except Exception as error:
                future.set_exception(error)
                future.exception()
                raise
            finally:
                future.cancel()
                del self._in_flight[decision_id]
        if known.event.user_id != call.request.user_id:
            raise _taken("this decision_id is another person's decision")
        return known

    async def _known(self, decision_id: str) -> Scored | None:
        """The decision under an id, wherever it is on its way."""
        while decision_id in self._delivery.outbox:
            waiting = await self._delivery.find(decision_id)
            if waiting is not None:
                return Scored(TipScored.model_validate(orjson.loads(waiting.data)), logged=False)
        if decision_id in self._in_flight:
            return await asyncio.shield(self._in_flight[decision_id])
        decision = self._folded.state.attribution.decisions.get(decision_id)
        if decision is None:
            return None
        if decision.external:
            raise _taken("this decision_id is an imported decision")
        return Scored(_stored(await self._read_back(decision.seq), decision_id), logged=True)

    async def _read_back(self, seq: int) -> Recorded:
        try:
            async with asyncio.timeout(READ_BACK_S):
                held = await self._delivery.bus.get(seq) if self._delivery.bus is not None else None
        except (TimeoutError, BusUnavailable):
            held = None
        if held is None:
            raise Problem.unavailable("the decision under this id is in the log, which cannot be read at the moment")
        return held

    async def _decide(self, call: Arrival, decision_id: str) -> Scored:
        event = self._decision(call, decision_id)
        scoring_s = perf_counter() - call.began
        event = event.model_copy(update={"latency_us": round(scoring_s * SECOND_US)})
        scored = await self._deliver(event, call.traceparent)
        self._metrics.decided(
            event.policy,
            explored=event.explored,
            logged=scored.logged,
            scoring_s=scoring_s,
            answering_s=perf_counter() - call.began,
        )
        return scored

    def _decision(self, call: Arrival, decision_id: str) -> TipScored:
        state, request = self._folded.state, call.request
        policy = request.policy
        if policy is None:
            live = {one.policy: one.weight for one in state.policies.live() if one.policy in POLICIES}
            policy = assign(request.user_id, live)
        scoring = ScoringCall(decision_id, request.user_id, policy, request.tips())
        try:
            return self._folded.decider.decide(state, scoring, call.context, call.moment_us)
        except CallRefused as refusal:
            # A name of the caller's own would be a series of its own, kept until the process ends.
            if refusal.field == "policy" and policy in POLICIES:
                self._metrics.failed(policy)
            raise Problem.invalid([(refusal.field, refusal.problem)]) from None
        except SumsError as error:
            self._metrics.failed(policy)
            raise Problem(500, "These sums cannot be scored", str(error), field="user_id") from None

    async def _deliver(self, event: TipScored, traceparent: str | None) -> Scored:
        message = encode(event, event_id=event.decision_id, source=SOURCE, traceparent=traceparent)
        if len(message.data) > MAX_BODY_BYTES:
            raise Problem.invalid([("candidates", f"make an event of {len(message.data)} bytes, {MAX_BODY_BYTES} fit")])
        try:
            delivered = await self._delivery.deliver(event.decision_id, message)
        except PublishRefused as refusal:
            raise Problem(500, "The stream refuses the decision", str(refusal)) from None
        if delivered.held is None:
            return Scored(event, delivered.logged)
        # The stream had another message under this id: the answer of an earlier call that was not folded yet.
        return Scored(_stored(delivered.held, event.decision_id), logged=True)


def _stored(held: Recorded, decision_id: str) -> TipScored:
    """The decision that the stream has under an id, read as the folds do: any producer may have put it there."""
    item = UNSIGNED.decode(held)
    event = item.event if isinstance(item, Entry) else None
    if not isinstance(event, TipScored) or event.decision_id != decision_id or event.external:
        raise _taken("another event has this decision_id as its id")
    return event


def _taken(detail: str) -> Problem:
    return Problem(409, "The id is taken", detail, field="decision_id")
