"""Guardrails: a policy that came to decide for people is compared with the one before it, and taken back when it does
worse. Part of `tipstream shadow`; what it does are signed events of the actor `system`."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from contracts.codec import Decoder
from contracts.envelope import Entry
from contracts.errors import TipstreamError
from contracts.events.admin import PolicyDisabled, PolicyPromoted
from contracts.events.base import SignedEvent
from contracts.times import format_time
from ml.experiments.guardrails import Calls, Limits, complaint
from ml.experiments.people import Sample, Sums
from projections.control import ask
from projections.folds.projection import State, advance
from services.bootstrap import ACTOR, Bus
from services.process import until_one_ends
from services.publishing import EventPublisher
from services.recommender.assignment import FALLBACK

POLICY_EVENTS = "tips.admin.policy.>"
LOOK_S = 5.0
ANSWER_S = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Climb:
    """A policy's way to people: since when, at which event, and who was live before with which weight; of these the
    established ones, if there were any, and not who was itself being watched."""

    policy: str
    since_us: int
    seq: int
    before: Mapping[str, float]

    @property
    def baseline(self) -> str:
        """The policy that decided for most people before."""
        return max(sorted(self.before), key=lambda name: self.before[name])

    @property
    def watched(self) -> bool:
        """Whether it came after others. The fallback is for comparison, and is meant to do worse."""
        return self.policy != FALLBACK and bool(self.before) and self.before.keys() != {FALLBACK}


@dataclass(slots=True)
class Climbs:
    """Who decides, and how each came to; folded from policy events."""

    state: State = field(default_factory=State)
    climbs: dict[str, Climb] = field(default_factory=dict)

    @property
    def weights(self) -> dict[str, float]:
        """The live policies."""
        return {policy.policy: policy.weight for policy in self.state.policies.live()}

    def take(self, entry: Entry) -> None:
        """Fold a policy event. Whom a guardrail puts back has not climbed: beside the one that was taken back it would
        be the next to go."""
        before, climbing = self.weights, {climb.policy for climb in self.watched()} | {FALLBACK}
        established = {name: weight for name, weight in before.items() if name not in climbing}
        advance(self.state, entry)
        for name in self.weights:
            if name in before:
                continue
            self.climbs.pop(name, None)
            if entry.actor != ACTOR:
                self.climbs[name] = Climb(name, entry.occurred_us, entry.seq, established or before)

    def watched(self) -> list[Climb]:
        """The live policies to look at, in order of their names."""
        live = (self.climbs[name] for name in sorted(self.weights) if name in self.climbs)
        return [climb for climb in live if climb.watched]


class Guard:
    """Looks every few seconds while there is somebody to watch."""

    def __init__(
        self, bus: Bus, publisher: EventPublisher, decoder: Decoder, scorer: httpx.AsyncClient, limits: Limits
    ) -> None:
        self._bus, self._publisher, self._decoder = bus, publisher, decoder
        self._scorer, self._limits = scorer, limits
        self._climbs = Climbs()
        self._calls: dict[str, tuple[int, Calls]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        await until_one_ends(self._follow(), self._look_again())

    async def _follow(self) -> None:
        async for batch in self._bus.read(0, subjects=[POLICY_EVENTS]):
            for recorded in batch:
                item = self._decoder.decode(recorded)
                if isinstance(item, Entry):
                    self._climbs.take(item)

    async def _look_again(self) -> None:
        said = ""
        while True:
            await asyncio.sleep(LOOK_S)
            for climb in self._climbs.watched():
                try:
                    await self.look(climb)
                except TipstreamError as problem:
                    if str(problem) != said:
                        said = str(problem)
                        log.warning("the guardrails of %s cannot be looked at: %s", climb.policy, problem)

    async def look(self, climb: Climb) -> None:
        """Compare a policy with its baseline, and take it back if it has to be."""
        baseline, weights = climb.baseline, self._climbs.weights
        climbed = format_time(climb.since_us)
        now = await self._people("guardrail", policy=climb.policy, since=climbed)
        if baseline in weights:
            before = await self._people("guardrail", policy=baseline, since=climbed)
        else:
            before = await self._people("guardrail_before", policy=baseline, climbed=climbed)
        rewards, negatives = (_sample(before, now, name) for name in ("reward", "negative"))
        why = complaint(rewards, negatives, await self._called(climb), self._limits)
        if why is None:
            return
        reason = f"guardrail, beside {baseline}: {why}"
        log.warning("%s is taken back: %s", climb.policy, reason)
        event: SignedEvent = PolicyDisabled(policy=climb.policy, reason=reason)
        if weights.keys() <= {climb.policy, FALLBACK}:
            event = PolicyPromoted(policy=baseline, reason=f"{climb.policy} is taken back: {reason}")
        # The same id for the same climb: whoever dies and looks again says it once.
        await self._publisher.publish_signed(event, actor=ACTOR, event_id=f"guardrail-{climb.policy}-{climb.seq}")

    async def _people(self, report: str, **parameters: str) -> dict[str, Any]:
        """The sums over a policy's people that a report gives; empty when there are none."""
        answer = await ask(self._bus, "analytics", "report", within=ANSWER_S, name=report, parameters=parameters)
        return next((dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]), {})

    async def _called(self, climb: Climb) -> Calls:
        """The scorer's calls of a policy since its climb was first looked at; none while the scorer is away."""
        try:
            answer = (await self._scorer.get("/health", timeout=ANSWER_S)).json()
        except (httpx.HTTPError, ValueError):
            return Calls()
        told = answer.get("policies", {}).get(climb.policy, {})
        now = Calls(told.get("decided", 0), told.get("failed", 0))
        seq, began = self._calls.get(climb.policy, (0, Calls()))
        # A scorer that was started again counts from 0.
        if seq != climb.seq or now.decided < began.decided or now.failed < began.failed:
            began = Calls() if seq == climb.seq else now
            self._calls[climb.policy] = (climb.seq, began)
        return Calls(now.decided - began.decided, now.failed - began.failed)


def _sample(before: Mapping[str, Any], now: Mapping[str, Any], name: str) -> Sample:
    """What the people of both are measured by, shape (2,); `name` is what is counted of a person beside decisions."""
    arms = (before, now)
    total, products = np.zeros((4, 2)), np.zeros((4, 4, 2))
    for place, arm in enumerate(arms):
        total[:2, place] = arm.get("decisions", 0.0), arm.get(name, 0.0)
        products[0, 0, place] = arm.get("decisions_x_decisions", 0.0)
        products[0, 1, place] = products[1, 0, place] = arm.get(f"decisions_x_{name}", 0.0)
        products[1, 1, place] = arm.get(f"{name}_x_{name}", 0.0)
    people = np.array([float(arm.get("people", 0)) for arm in arms])
    return Sums(people, total, products).sample()
