"""`tipstream replayer`: carries out the replays the log asks for, one at a time, and signs what became of them.

Each projection is folded from the first event into a version of its own beside the live one, up to the checkpoint at
which the live one gave its digest; equal digests are switched. A request without a completion is carried out again
when the worker starts, so a crash loses none.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Literal

import orjson

from contracts.codec import Decoder
from contracts.envelope import Entry
from contracts.errors import TipstreamError
from contracts.events.admin import Projection, ReplayCompleted, ReplayRequested, ReplayResult, TableDigests
from contracts.subjects import person_filters
from contracts.times import SECOND_US
from projections.beside import TELL_S, Progress, fold_beside, switch
from projections.continuity import continuity
from projections.control import subject_of
from projections.eraser import Eraser
from projections.folds.digest import combined
from projections.folds.projection import State, fold
from projections.replay import Word, events_upto, last_seq_of, progress_subject, tables_in, word_of
from projections.sinks.memory import MemorySink
from projections.sinks.versions import Versions
from services.bootstrap import Bus, ensure_stream, load_signer, open_decoder
from services.process import run_on_bus, until_one_ends
from services.publishing import EventPublisher
from services.settings import Settings

PROCESS = "replayer"
REQUESTS = "tips.admin.replay.>"
SOURCE = "/tipstream/replayer"

log = logging.getLogger(__name__)


@dataclass(slots=True)
class ReplayProgress(Progress):
    """How far a replay is: also which projection of how many, and the results so far."""

    steps: int = 0
    results: list[ReplayResult] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """The figures with step, steps and results."""
        return {
            # A class with slots is made twice, so `super()` would not find itself.
            **Progress.report(self),
            "step": min(len(self.results) + 1, self.steps),
            "steps": self.steps,
            "results": [result.model_dump(mode="json") for result in self.results],
        }


class NoVersionBefore(TipstreamError):
    """A projection cannot be switched back: its live version is the only one that ever was."""


class Replay:
    """One request carried out."""

    def __init__(self, bus: Bus, settings: Settings, request: ReplayRequested) -> None:
        self._bus = bus
        self._request = request
        self._versions = Versions(settings.home)
        self._progress = ReplayProgress(steps=len(request.projections))
        self._events = 0

    async def run(self) -> ReplayCompleted:
        """Fold, compare, switch; whatever goes wrong is part of the answer."""
        began, request = monotonic(), self._request
        telling = asyncio.create_task(self._tell(), name="tell progress")
        results = self._progress.results
        full, detail = False, ""
        outcome: Literal["done", "different", "failed"] = "failed"
        try:
            if request.mode == "back":
                full = True
                for way in [self._way_back(projection) for projection in request.projections]:
                    results.append(await self._back(*way))
            else:
                bound = await last_seq_of(self._bus, request)
                whole = await continuity(self._bus, bound)
                full, detail = whole.full, whole.complaint()
                for projection in request.projections:
                    results.append(await self._replay(projection, bound, full=full))
        except Exception as problem:
            # Raised on, it would end this process, which would find the same request undone and fail again.
            if not isinstance(problem, TipstreamError):
                log.exception("replay %s failed", request.replay_id)
            detail = str(problem) if isinstance(problem, TipstreamError) else f"{type(problem).__name__}: {problem}"
        else:
            outcome = "different" if any(result.equal is False for result in results) else "done"
        finally:
            telling.cancel()
        return ReplayCompleted(
            replay_id=request.replay_id,
            outcome=outcome,
            full=full,
            events=self._events,
            duration_us=round((monotonic() - began) * SECOND_US),
            results=results,
            detail=detail[:4000],
        )

    async def _tell(self) -> None:
        subject = progress_subject(self._request.replay_id)
        while True:
            await self._bus.tell(subject, orjson.dumps(self._progress.report()))
            await asyncio.sleep(TELL_S)

    def _way_back(self, projection: Projection) -> tuple[Projection, int, int]:
        """The version to return to, and the live one. Raises NoVersionBefore."""
        pointer = self._versions.pointer(projection)
        if pointer.previous is None:
            raise NoVersionBefore(f"{projection} has no version before the live one, {pointer.version}")
        return projection, pointer.previous, pointer.version

    async def _back(self, projection: Projection, version: int, live: int) -> ReplayResult:
        self._progress.begin(projection, "switching back")
        seq = await switch(self._bus, projection, version)
        note = f"back from version {live}"
        return ReplayResult(projection=projection, version=version, upto_seq=seq, switched=True, note=note)

    async def _replay(self, projection: Projection, bound: int | None, *, full: bool) -> ReplayResult:
        self._progress.begin(projection, "asking the live one for its digest")
        live = await word_of(self._bus, projection, self._request.user_id)
        if live.problem:
            log.warning("%s has no digest to compare with: %s", projection, live.problem)
        upto = bound or live.seq or (await self._bus.info()).last_seq
        compared = live.digest if live.seq == upto else None
        if self._request.user_id is not None:
            version, note = live.version, "one person, proven in memory; nothing is switched"
            tables = await self._fold_person(projection, self._request.user_id, upto, compared)
            digest = combined(tables.items())
        else:
            version, tables = await fold_beside(self._bus, self._versions, projection, upto, self._progress)
            self._events += await events_upto(self._bus, upto)
            digest = combined(tables.items())
            note = _note(bound, live, equal=digest == compared, full=full)
        result = ReplayResult(
            projection=projection,
            version=version,
            upto_seq=upto,
            live_digest=compared,
            rebuilt_digest=digest,
            equal=None if compared is None else compared == digest,
            note=note,
            tables={
                name: TableDigests(live=live.tables.get(name) if compared else None, rebuilt=rebuilt)
                for name, rebuilt in tables.items()
            },
        )
        if note:
            return result
        self._progress.begin(projection, "switching")
        await switch(self._bus, projection, version)
        return result.model_copy(update={"switched": True})

    async def _fold_person(self, projection: Projection, user_id: str, upto: int, live: str | None) -> dict[str, str]:
        """The digests of one person's rows by table, folded in memory from what is about them.

        Only where that differs from the live one is the whole log folded: an id that others have used before them,
        which their own events cannot show, is the one innocent reason.
        """
        if live is not None:
            tables = await self._tables_of(projection, user_id, upto, person_filters(user_id))
            if combined(tables.items()) == live:
                return tables
        return await self._tables_of(projection, user_id, upto, ())

    async def _tables_of(
        self, projection: Projection, user_id: str, upto: int, subjects: Sequence[str]
    ) -> dict[str, str]:
        self._progress.begin(projection, "folding one person", upto)
        decoder, state, rows = await open_decoder(self._bus), State(), MemorySink()
        async for batch in self._bus.read(0, upto=upto, subjects=subjects):
            for recorded in batch:
                rows.take(fold(state, decoder.decode(recorded))[1])
            self._events += len(batch)
            self._progress.events = state.seq
            await asyncio.sleep(0)
        # The windows are those of the whole stream: its last message moves the clock, whomever it is about.
        last = await self._bus.get(upto)
        if last is not None and last.seq > state.seq:
            rows.take(fold(state, decoder.decode(last))[1])
        digests = await asyncio.to_thread(rows.digests, user_id)
        # Tables that are not about people have none of one person.
        kept = tables_in(projection)
        return {name: digest for name, digest in digests.items() if name in kept}


def _note(bound: int | None, live: Word, *, equal: bool, full: bool) -> str:
    """Why a rebuilt version is not switched to; empty when it is."""
    if bound is not None:
        return "as it was: kept as a version of its own, not switched to"
    if live.problem:
        return f"not switched, there is nothing to compare with: {live.problem}"
    if not full:
        return "not switched: the log does not hold everything"
    return "" if equal else "not switched: the live version stays until the difference is explained"


class Replayer:
    """Reads requests from the log and carries each out once, in order."""

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self._bus = bus
        self._settings = settings
        self._publisher = EventPublisher(bus, load_signer(settings), source=SOURCE)
        self._working = asyncio.Lock()
        self._replay_id: str | None = None

    async def answer(self, _: bytes) -> bytes:
        """What it is at, whatever it is asked: the replay that is being carried out."""
        return orjson.dumps({"replay_id": self._replay_id, "last_error": None})

    async def run(self) -> None:
        """For ever: first what was left undone, then what comes; erasures beside it."""
        decoder = await ensure_stream(self._bus, self._settings)
        await self._bus.respond(subject_of(PROCESS), self.answer)
        eraser = Eraser(self._bus, self._settings, self._publisher, self._working)
        await until_one_ends(self._replay(decoder), eraser.run(decoder))

    async def _replay(self, decoder: Decoder) -> None:
        end = (await self._bus.info()).last_seq
        seen: set[str] = set()
        undone: dict[str, tuple[ReplayRequested, str]] = {}
        async for event, actor in self._events(decoder, 0, end):
            if isinstance(event, ReplayCompleted):
                undone.pop(event.replay_id, None)
            elif event.replay_id not in seen:
                seen.add(event.replay_id)
                undone[event.replay_id] = (event, actor)
        for request, actor in undone.values():
            await self._carry_out(request, actor)
        async for event, actor in self._events(decoder, end, None):
            if isinstance(event, ReplayRequested) and event.replay_id not in seen:
                seen.add(event.replay_id)
                await self._carry_out(event, actor)

    async def _events(
        self, decoder: Decoder, after: int, upto: int | None
    ) -> AsyncIterator[tuple[ReplayRequested | ReplayCompleted, str]]:
        async for batch in self._bus.read(after, upto=upto, subjects=[REQUESTS]):
            for recorded in batch:
                item = decoder.decode(recorded)
                if isinstance(item, Entry) and isinstance(item.event, ReplayRequested | ReplayCompleted):
                    yield item.event, item.actor or "system"

    async def _carry_out(self, request: ReplayRequested, actor: str) -> None:
        async with self._working:
            self._replay_id = request.replay_id
            try:
                completed = await Replay(self._bus, self._settings, request).run()
            finally:
                self._replay_id = None
        await self._publisher.publish_signed(completed, actor=actor, event_id=f"{request.replay_id}-completed")
        report = {"phase": "completed", "completed": completed.model_dump(mode="json")}
        await self._bus.tell(progress_subject(request.replay_id), orjson.dumps(report))


def run_replayer(settings: Settings) -> None:
    """The process: until SIGTERM or SIGINT."""
    run_on_bus(settings, "tipstream replayer", lambda bus: Replayer(bus, settings).run())
