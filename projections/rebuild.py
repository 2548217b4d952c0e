"""`tipstream replayer`: carries out the replays the log asks for, one at a time, and signs what became of them.

Each projection is folded from the first event into a version of its own beside the live one, up to the checkpoint at
which the live one gave its digest; equal digests are switched. A request without a completion is carried out again
when the worker starts, so a crash loses none.
"""

import asyncio
import logging
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Literal

import orjson

from contracts.envelope import Entry
from contracts.errors import TipstreamError
from contracts.events.admin import Projection, ReplayCompleted, ReplayRequested, ReplayResult
from contracts.subjects import person_filters
from contracts.times import SECOND_US
from projections.continuity import continuity
from projections.folds.digest import combined
from projections.folds.projection import State, fold
from projections.replay import ask, last_seq_of, progress_subject, tables_in
from projections.sinks.memory import MemorySink
from projections.sinks.versions import Versions, proof_of
from services.bootstrap import load_signer, open_decoder
from services.bus.errors import BusUnavailable, RequestFailed
from services.bus.jetstream import JetStreamBus
from services.publishing import EventPublisher
from services.settings import Settings

REQUESTS = "tips.admin.replay.>"
SOURCE = "/tipstream/replayer"
TELL_S = 0.25

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Progress:
    """How far the projection at hand is; told over core NATS a few times a second."""

    projection: str = ""
    phase: str = "starting"
    events: int = 0
    total: int = 0
    began: float = field(default_factory=monotonic)

    def begin(self, projection: str, phase: str, total: int = 0) -> None:
        self.projection, self.phase, self.events, self.total = projection, phase, 0, total
        self.began = monotonic()

    def report(self) -> dict[str, Any]:
        """The figures: events, rate and the seconds that remain."""
        rate = self.events / max(monotonic() - self.began, 1e-3)
        left = (self.total - self.events) / rate if rate and self.total else None
        return {
            "projection": self.projection,
            "phase": self.phase,
            "events": self.events,
            "total": self.total,
            "events_per_s": rate,
            "remaining_s": left,
        }


class Replay:
    """One request carried out."""

    def __init__(self, bus: JetStreamBus, settings: Settings, request: ReplayRequested) -> None:
        self._bus = bus
        self._request = request
        self._versions = Versions(settings.home)
        self._progress = Progress()
        self._events = 0
        self._missing = 0

    async def run(self) -> ReplayCompleted:
        """Fold, compare, switch; whatever goes wrong is part of the answer."""
        began, request = monotonic(), self._request
        telling = asyncio.create_task(self._tell(), name="tell progress")
        results: list[ReplayResult] = []
        full, detail = False, ""
        outcome: Literal["done", "different", "failed"] = "failed"
        try:
            if request.mode == "back":
                results = [await self._back(projection) for projection in request.projections]
                full = True
            else:
                bound = await last_seq_of(self._bus, request)
                whole = await continuity(self._bus, bound)
                full, detail = whole.full, whole.complaint()
                self._missing = whole.missing
                for projection in request.projections:
                    results.append(await self._replay(projection, bound, full=full))
        except TipstreamError as problem:
            detail = str(problem)
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

    async def _back(self, projection: Projection) -> ReplayResult:
        self._progress.begin(projection, "switching back")
        pointer = self._versions.pointer(projection)
        if pointer.previous is None:
            note = "there is no version before the live one"
            return ReplayResult(projection=projection, version=pointer.version, upto_seq=0, note=note)
        answer = await ask(self._bus, projection, "switch", version=pointer.previous)
        return ReplayResult(
            projection=projection,
            version=pointer.previous,
            upto_seq=answer["seq"],
            switched=True,
            note=f"back from version {pointer.version}",
        )

    async def _replay(self, projection: Projection, bound: int | None, *, full: bool) -> ReplayResult:
        self._progress.begin(projection, "asking the live one for its digest")
        live = await self._live(projection)
        if self._request.user_id is not None:
            return await self._replay_person(projection, self._request.user_id, live, bound)
        upto = bound or (live["checkpoint"]["seq"] if live else (await self._bus.info()).last_seq)
        version, digest = await self._fold(projection, upto)
        compared = live if live is not None and live["checkpoint"]["seq"] == upto else None
        equal = None if compared is None else compared["digest"] == digest
        result = ReplayResult(
            projection=projection,
            version=version,
            upto_seq=upto,
            live_digest=compared["digest"] if compared else None,
            rebuilt_digest=digest,
            equal=equal,
            note=_note(bound, live, equal, full=full),
        )
        if bound is not None or live is None or equal is False or not full:
            return result
        self._progress.begin(projection, "switching")
        await ask(self._bus, projection, "switch", version=version)
        return result.model_copy(update={"switched": True})

    async def _live(self, projection: Projection) -> dict[str, Any] | None:
        fields = {} if self._request.user_id is None else {"user_id": self._request.user_id}
        try:
            return await ask(self._bus, projection, "digest", **fields)
        except (BusUnavailable, RequestFailed) as problem:
            log.warning("%s has no digest to compare with: %s", projection, problem)
            return None

    async def _fold(self, projection: Projection, upto: int) -> tuple[int, str]:
        """Fold a new version up to and with `upto`; its number and digest."""
        self._progress.begin(projection, "folding", upto)
        opened = self._versions.open(projection, self._versions.next_number(projection))
        try:
            projector = opened.projector(self._bus)
            folding = asyncio.create_task(projector.run(upto=upto), name=f"fold {projection}")
            while not folding.done():
                self._progress.events = projector.state.seq
                await asyncio.wait({folding}, timeout=TELL_S)
            folding.result()
            self._events += upto - self._missing
            self._progress.begin(projection, "taking its digest", upto)
            proof = await asyncio.to_thread(proof_of, opened, projector)
        finally:
            opened.close()
        return opened.number, proof.digest

    async def _replay_person(
        self, projection: Projection, user_id: str, live: dict[str, Any] | None, bound: int | None
    ) -> ReplayResult:
        """Fold one person's events in memory and compare the digest restricted to them; nothing is switched."""
        upto = bound or (live["checkpoint"]["seq"] if live else (await self._bus.info()).last_seq)
        self._progress.begin(projection, "folding one person", upto)
        decoder, state, rows = await open_decoder(self._bus), State(), MemorySink()
        async for batch in self._bus.read(0, upto=upto, subjects=person_filters(user_id)):
            for recorded in batch:
                rows.take(fold(state, decoder.decode(recorded))[1])
            self._events += len(batch)
            self._progress.events = state.seq
        # The windows are those of the whole stream: the last message moves the clock, whomever it is about.
        last = await self._bus.get(upto)
        if last is not None and last.seq > state.seq:
            rows.take(fold(state, decoder.decode(last))[1])
        digest = combined(
            (name, found) for name, found in rows.digests(user_id).items() if name in tables_in(projection)
        )
        compared = live if live is not None and live["checkpoint"]["seq"] == upto else None
        return ReplayResult(
            projection=projection,
            version=live["version"] if live else 0,
            upto_seq=upto,
            live_digest=compared["digest"] if compared else None,
            rebuilt_digest=digest,
            equal=None if compared is None else compared["digest"] == digest,
            note="one person, proven in memory; nothing is switched",
        )


def _note(bound: int | None, live: dict[str, Any] | None, equal: bool | None, *, full: bool) -> str:
    if bound is not None:
        return "as it was: kept as a version of its own, not switched to"
    if live is None:
        return "its process does not run: nothing to compare with, not switched"
    if not full:
        return "not switched: the log does not hold everything"
    return "" if equal else "not switched: the live version stays until the difference is explained"


class Replayer:
    """Reads requests from the log and carries them out in order."""

    def __init__(self, bus: JetStreamBus, settings: Settings) -> None:
        self._bus = bus
        self._settings = settings
        self._publisher = EventPublisher(bus, load_signer(settings), source=SOURCE)

    async def run(self) -> None:
        """For ever: first what was left undone, then what comes."""
        decoder = await open_decoder(self._bus)
        end = (await self._bus.info()).last_seq
        undone: dict[str, tuple[ReplayRequested, str]] = {}
        async for batch in self._bus.read(0, upto=end, subjects=[REQUESTS]):
            for recorded in batch:
                item = decoder.decode(recorded)
                if isinstance(item, Entry):
                    _note_down(undone, item)
        for request, actor in undone.values():
            await self._carry_out(request, actor)
        async for batch in self._bus.read(end, subjects=[REQUESTS]):
            for recorded in batch:
                item = decoder.decode(recorded)
                if isinstance(item, Entry) and isinstance(item.event, ReplayRequested):
                    await self._carry_out(item.event, item.actor or "system")

    async def _carry_out(self, request: ReplayRequested, actor: str) -> None:
        completed = await Replay(self._bus, self._settings, request).run()
        await self._publisher.publish_signed(completed, actor=actor, event_id=f"{request.replay_id}-completed")
        report = {"phase": "completed", "completed": completed.model_dump(mode="json")}
        await self._bus.tell(progress_subject(request.replay_id), orjson.dumps(report))


def _note_down(undone: dict[str, tuple[ReplayRequested, str]], entry: Entry) -> None:
    if isinstance(entry.event, ReplayRequested):
        undone[entry.event.replay_id] = (entry.event, entry.actor or "system")
    elif isinstance(entry.event, ReplayCompleted):
        undone.pop(entry.event.replay_id, None)


def run_replayer(settings: Settings) -> None:
    """The process: until SIGTERM or SIGINT."""
    settings.make_home()
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    bus = await JetStreamBus.connect(settings.bus_url, name="tipstream replayer", timeout=None)
    working = asyncio.create_task(Replayer(bus, settings).run(), name="replayer")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, working.cancel)
    try:
        with suppress(asyncio.CancelledError):
            await working
    finally:
        await bus.close()
