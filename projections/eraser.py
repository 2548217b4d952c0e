"""Erasures carried out, as part of `tipstream replayer`: the log first, then every read model, then the request itself.

Each step may be repeated, and the request is the last event to go: while it is in the log the erasure is not done, and
is taken up again when the worker starts.
"""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic

import orjson

from contracts.codec import Decoder
from contracts.envelope import Entry
from contracts.errors import TipstreamError
from contracts.events.admin import UserErased, UserErasureRequested
from projections.beside import TELL_S, Progress, fold_beside, switch
from projections.continuity import RECEIPTS
from projections.control import ask
from projections.erasure import REQUESTS, about, erasure_subject, made_before
from projections.replay import EVERY_PROJECTION
from projections.sinks.versions import Versions
from services.bootstrap import Bus, open_decoder
from services.bus.errors import BusClosed, BusUnavailable, NoResponder
from services.bus.stream import ranges
from services.publishing import EventPublisher, new_id
from services.settings import Settings

AGAIN_S = 2.0
MOST_RANGES = 4_000
"""Of one receipt: about 80 kB, well below what an event may have."""
SCORER, SHADOW = "scorer", "shadow"
SHADOW_S = 0.05
SHADOW_ANSWER_S = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it stands in the log; its event id names the erasure."""

    seq: int
    erasure_id: str
    user_id: str
    actor: str


class Erasure:
    """One request carried out; `working` is held while replays must not fold."""

    def __init__(
        self, bus: Bus, settings: Settings, publisher: EventPublisher, request: Request, working: asyncio.Lock
    ) -> None:
        self._bus, self._request, self._working = bus, request, working
        self._publisher = publisher
        self._versions, self._outbox = Versions(settings.home), settings.outbox_dir
        self._results = settings.results_dir
        self._progress = Progress()

    async def run(self) -> None:
        """Until nothing is left, however long a process is away that has to do its part. Raises BusClosed."""
        began, request = monotonic(), self._request
        telling = asyncio.create_task(self._tell(), name="tell progress")
        try:
            receipts = await self._receipts()
            if receipts and request.seq not in receipts:
                erased = await self._take_a_copy()
            else:
                erased = await self._take(receipts)
        finally:
            telling.cancel()
        report = {"phase": "completed", "events": erased, "seconds": round(monotonic() - began, 3)}
        await self._bus.tell(erasure_subject(request.erasure_id), orjson.dumps(report))

    async def _take(self, receipts: set[int]) -> int:
        """Everything, step by step; how many events went."""
        request = self._request
        self._progress.begin(SCORER, "letting go")
        await self._patiently(SCORER, self._let_go)
        self._progress.begin(SHADOW, "scoring along up to the request")
        await self._patiently(SHADOW, self._past_the_request)
        async with self._working:
            found = await self._find()
            await self._publish_receipts(request.erasure_id, [seq for seq in found if seq not in receipts])
            await self._delete([seq for seq in reversed(found) if seq != request.seq])
        for projection in EVERY_PROJECTION:
            await self._patiently(projection, partial(self._rebuild, projection))
        # A training that failed keeps rows of decisions until it goes on.
        await asyncio.to_thread(shutil.rmtree, self._results, ignore_errors=True)
        await self._bus.delete(request.seq)
        return len(found)

    async def _take_a_copy(self) -> int:
        """A request that was published again after its erasure: only itself goes, not what has come since."""
        await self._publish_receipts(new_id(), [self._request.seq])
        await self._bus.delete(self._request.seq)
        return 1

    async def _let_go(self) -> None:
        await ask(self._bus, SCORER, "forget", user_id=self._request.user_id, seq=self._request.seq)

    async def _past_the_request(self) -> None:
        """Until nothing that was scored along before the request is still on its way to the log."""
        while True:
            seq = (await ask(self._bus, SHADOW, "status", within=SHADOW_ANSWER_S, wanted=self._request.seq))["seq"]
            if seq is None or seq >= self._request.seq:
                return
            await asyncio.sleep(SHADOW_S)

    async def _find(self) -> list[int]:
        """The sequences that go, in order: all up to the request, and decisions that were on their way by then."""
        request, self._progress.phase = self._request, "looking for events"
        seqs = {recorded.seq async for recorded in about(self._bus, request.user_id, upto=request.seq)}
        last = (await self._bus.info()).last_seq
        seqs |= {seq async for seq in made_before(self._bus, request.user_id, request.seq, upto=last)}
        return sorted(seqs)

    async def _receipts(self) -> set[int]:
        """The sequences that receipts of this erasure name so far."""
        decoder, found = await open_decoder(self._bus), set[int]()
        async for batch in self._bus.read(0, upto=(await self._bus.info()).last_seq, subjects=[RECEIPTS]):
            for recorded in batch:
                item = decoder.decode(recorded)
                if (
                    isinstance(item, Entry)
                    and isinstance(item.event, UserErased)
                    and item.event.erasure_id == self._request.erasure_id
                ):
                    found.update(seq for first, last in item.event.ranges for seq in range(first, last + 1))
        return found

    async def _publish_receipts(self, erasure_id: str, seqs: list[int]) -> None:
        """Before anything goes: a crash between the two must leave no gap that nobody explains."""
        pieces = ranges(seqs)
        for start in range(0, len(pieces), MOST_RANGES):
            piece = pieces[start : start + MOST_RANGES]
            receipt = UserErased(erasure_id=erasure_id, ranges=[[first, last] for first, last in piece])
            event_id = f"{erasure_id}-{piece[0][0]}"
            await self._publisher.publish_signed(receipt, actor=self._request.actor, event_id=event_id)

    async def _delete(self, seqs: list[int]) -> None:
        """The latest first, so that what is left of a person is a history that was whole once, and recomputes."""
        self._progress.begin("log", "deleting events", len(seqs))
        for seq in seqs:
            await self._bus.delete(seq)
            self._progress.events += 1

    async def _rebuild(self, projection: str) -> None:
        """Fold a version that never held the person, switch to it, and delete all others."""
        self._progress.begin(projection, "waiting for its turn")
        async with self._working:
            upto = (await self._bus.info()).last_seq
            # Its owner first: where nobody answers, nobody would switch.
            await ask(self._bus, projection, "status")
            number, _ = await fold_beside(self._bus, self._versions, projection, upto, self._progress, prove=False)
            self._progress.begin(projection, "switching")
            await switch(self._bus, projection, number, alone=True)

    async def _patiently(self, projection: str, step: Callable[[], Awaitable[None]]) -> None:
        """Do a step again until it is done; a projection that has no files and no owner has nothing to lose.

        An owner that is there and does not answer may hold what is to go.
        """
        said = ""
        while True:
            try:
                await step()
            except BusClosed:
                raise
            except TipstreamError as problem:
                if isinstance(problem, NoResponder) and not self._exists(projection):
                    return
                if str(problem) != said:
                    said = str(problem)
                    log.warning("erasure %s waits for %s: %s", self._request.erasure_id, projection, problem)
                self._progress.begin(projection, f"waiting: {problem}"[:200])
                await asyncio.sleep(AGAIN_S)
            else:
                return

    def _exists(self, projection: str) -> bool:
        outbox = projection == SCORER and any(self._outbox.glob("*.sqlite"))
        return outbox or bool(self._versions.numbers(projection))

    async def _tell(self) -> None:
        subject = erasure_subject(self._request.erasure_id)
        while True:
            await self._bus.tell(subject, orjson.dumps(self._progress.report()))
            await asyncio.sleep(TELL_S)


class Eraser:
    """Reads requests from the log and carries each out, in order."""

    def __init__(self, bus: Bus, settings: Settings, publisher: EventPublisher, working: asyncio.Lock) -> None:
        self._bus, self._settings, self._publisher, self._working = bus, settings, publisher, working

    async def run(self, decoder: Decoder) -> None:
        """For ever: what stands in the log, then what comes. Raises BusClosed and what else it cannot mend."""
        async for request in self._requests(decoder):
            while True:
                try:
                    await Erasure(self._bus, self._settings, self._publisher, request, self._working).run()
                    break
                except BusClosed:
                    raise
                except BusUnavailable as problem:
                    log.warning("erasure %s is taken up again: %s", request.erasure_id, problem)
                    await asyncio.sleep(AGAIN_S)

    async def _requests(self, decoder: Decoder) -> AsyncIterator[Request]:
        async for batch in self._bus.read(0, subjects=[REQUESTS]):
            for recorded in batch:
                item = decoder.decode(recorded)
                if isinstance(item, Entry) and isinstance(item.event, UserErasureRequested):
                    yield Request(item.seq, item.event_id, item.event.user_id, item.actor or "system")
