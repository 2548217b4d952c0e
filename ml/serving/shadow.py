"""`tipstream shadow`: policies and priors in shadow score every decision along, off the path that people wait on.

What has been scored already is in the log, so nothing is kept beside it: each time one goes into shadow, and at each
start, the log is folded from its first event, and what is missing is published under ids that follow from the
decision.

A shadow costs the disk as much as a decision does, and nobody waits for it: while people keep the stream busy, theirs
come later (`Deferral`).
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from time import monotonic, perf_counter
from typing import Any, Protocol

import orjson

from contracts.codec import Decoder, encode
from contracts.envelope import Entry, Message, Recorded
from contracts.events.admin import UserErased, UserErasureRequested
from contracts.events.base import Event
from contracts.events.person import ShadowScored, TipScored
from ml.experiments.guardrails import Limits
from ml.policies.shadowing import Shadow, Shadowing, in_shadow
from ml.serving.deferral import Deferral
from ml.serving.guard import POLICY_EVENTS, Guard
from projections.checkpoint import StreamState
from projections.continuity import RECEIPTS
from projections.control import Status, read_question, subject_of
from projections.erasure import REQUESTS
from projections.folds.projection import State, advance
from services.bootstrap import Bus, ensure_stream, load_signer
from services.bus.errors import BusClosed, BusUnavailable
from services.http_client import http_client
from services.process import run_on_bus, until_one_ends
from services.publishing import EventPublisher
from services.settings import Settings

PROCESS = "shadow"
SOURCE = "/tipstream/shadow"
PAUSE_S = 0.1
# Events taken in one go: whoever asks how it is doing waits for as many, at this priority.
IN_ONE_GO = 50
# Up to so many are stored one after another: a decision then waits for the disk behind one of them at most, while an
# atomic batch stages its messages in files of its own and holds the stream for several milliseconds.
FEW = 200
NICENESS = 10
STANDINGS = (POLICY_EVENTS, "tips.admin.model.>")
"""What says who is in shadow."""
Waiting = dict[str, tuple[int, Shadow]]
"""Shadows to be published by the ids of their events, each with the sequence of its decision."""


class Log(Protocol):
    """What scoring along reads and publishes."""

    async def info(self) -> StreamState: ...
    async def publish(self, message: Message) -> object: ...
    async def publish_batch(self, messages: Sequence[Message]) -> int: ...
    def read(
        self, after: int, *, upto: int | None = None, subjects: Sequence[str] = ()
    ) -> AsyncIterator[list[Recorded]]: ...


class ShadowWorker:
    """Scores along while there is a policy or a prior in shadow; `scored` counts what it has published."""

    def __init__(self, bus: Log, decoder: Decoder, deferral: Deferral) -> None:
        self._bus, self._decoder = bus, decoder
        self._seq: int | None = None
        self._wanted = 0
        self._deferral = deferral
        self._failures: dict[str, str] = {}
        self.scored = 0

    async def answer(self, data: bytes) -> bytes:
        """How it is doing: `seq` is the last event scored along, None while it idles, `lag_events` how many have come
        since, `deferred` whether it lets others come first. Nothing up to a `wanted` event is deferred any more.

        Raises BadQuestion, BusUnavailable.
        """
        question = read_question(data)
        if isinstance(question, Status):
            self._wanted = max(self._wanted, question.wanted)
        seq, last = self._seq, (await self._bus.info()).last_seq
        said: dict[str, Any] = {"seq": seq, "lag_events": 0 if seq is None else max(last - seq, 0)}
        said["deferred"] = seq is not None and self._deferral.busy
        said |= {"scored": self.scored, "failures": self._failures}
        return orjson.dumps({**said, "last_error": "; ".join(f"{k}: {v}" for k, v in self._failures.items()) or None})

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._seq = None
            await self._wait_for_a_shadow()
            self._seq = 0
            await self._score_along()

    async def _wait_for_a_shadow(self) -> None:
        """Return once a policy or a prior stands in shadow; no other events are read, so that idling costs nothing."""
        state = State()
        end = (await self._bus.info()).last_seq
        async for batch in self._bus.read(0, upto=end, subjects=STANDINGS):
            for recorded in batch:
                advance(state, self._decoder.decode(recorded))
        if in_shadow(state.policies):
            return
        async for batch in self._bus.read(end, subjects=STANDINGS):
            for recorded in batch:
                advance(state, self._decoder.decode(recorded))
            if in_shadow(state.policies):
                return

    async def _score_along(self) -> None:
        """Return once nothing stands in shadow any more."""
        state, waiting = State(), Waiting()
        shadowing = Shadowing(state, perf_counter)
        self._failures = shadowing.failures
        end = (await self._bus.info()).last_seq
        async for batch in self._bus.read(0):
            # What is missing is known only where the log ends; of that, too, others come first.
            if batch[-1].seq >= end:
                await self._let_others_first(batch[-1].seq)
            for place, recorded in enumerate(batch):
                if place % IN_ONE_GO == 0:
                    await asyncio.sleep(0)
                self._take(state, shadowing, recorded, waiting)
            if state.seq < end:
                continue
            await self._strike_off_erased(state.seq, waiting)
            await self._publish(waiting)
            # Only now: whoever waits for an event wants nothing of before it to be on its way.
            self._seq = state.seq
            if not in_shadow(state.policies):
                return

    async def _let_others_first(self, upto: int) -> None:
        """Return once there may be work up to an event, or somebody waits for one that is not passed yet."""
        while self._wanted <= (self._seq or 0):
            if self._deferral.look(await self._last_seq(), self.scored) >= upto:
                return
            await asyncio.sleep(PAUSE_S)

    async def _last_seq(self) -> int:
        """The log's end, however long the server is away. Raises BusClosed."""
        while True:
            try:
                return (await self._bus.info()).last_seq
            except BusClosed:
                raise
            except BusUnavailable:
                await asyncio.sleep(PAUSE_S)

    def _take(self, state: State, shadowing: Shadowing, recorded: Recorded, waiting: Waiting) -> None:
        step, _ = advance(state, self._decoder.decode(recorded))
        entry: Entry | None = step.entry
        if entry is None:
            return
        event = entry.event
        if isinstance(event, TipScored):
            waiting.update((shadow.event_id, (entry.seq, shadow)) for shadow in shadowing.shadows(event))
        elif isinstance(event, ShadowScored):
            waiting.pop(entry.event_id, None)
        else:
            _strike_off(event, waiting)

    async def _strike_off_erased(self, seq: int, waiting: Waiting) -> None:
        """Of what is to be published, strike off whose erasure stands after `seq`.

        An erasure waits for this process, but not for one that seems to be gone: what it read before may be of
        somebody who was erased since.
        """
        if not waiting or (last := await self._last_seq()) <= seq:
            return
        async for batch in self._bus.read(seq, upto=last, subjects=(REQUESTS, RECEIPTS)):
            for recorded in batch:
                item = self._decoder.decode(recorded)
                if isinstance(item, Entry):
                    _strike_off(item.event, waiting)

    async def _publish(self, waiting: Waiting) -> None:
        if not waiting:
            return
        messages = [
            encode(one.event, event_id=one.event_id, source=SOURCE, time_us=one.event.occurred_at)
            for _, one in waiting.values()
        ]
        if len(messages) > FEW:
            await self._bus.publish_batch(messages)
        else:
            for message in messages:
                await self._bus.publish(message)
        self.scored += len(messages)
        waiting.clear()
        # Reading little by little would wake this process for every event.
        await asyncio.sleep(PAUSE_S)


def _strike_off(event: Event, waiting: Waiting) -> None:
    """Strike off what an erasure takes: it names the person while it is under way, and sequences ever after."""
    match event:
        case UserErasureRequested():
            gone = [key for key, (_, one) in waiting.items() if one.event.user_id == event.user_id]
        case UserErased():
            ranges = event.ranges
            gone = [key for key, (seq, _) in waiting.items() if any(first <= seq <= last for first, last in ranges)]
        case _:
            return
    for key in gone:
        del waiting[key]


def run_shadow(settings: Settings) -> None:
    """The process: until SIGTERM or SIGINT. Raises TipstreamError."""
    os.nice(NICENESS)
    run_on_bus(settings, "tipstream shadow", lambda bus: serve(bus, settings))


async def serve(bus: Bus, settings: Settings) -> None:
    """Score along on this bus, and say how far, until cancelled."""
    decoder = await ensure_stream(bus, settings)
    publisher = EventPublisher(bus, load_signer(settings), source=SOURCE)
    worker = ShadowWorker(bus, decoder, Deferral(settings.shadow_defer_s, monotonic))
    await bus.respond(subject_of(PROCESS), worker.answer)
    limits = Limits(settings.guard_reward, settings.guard_negative, settings.guard_errors)
    async with http_client(settings.scorer_base) as scorer:
        await until_one_ends(worker.run(), Guard(bus, publisher, decoder, scorer, limits).run())
