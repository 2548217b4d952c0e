"""Drives the folds: reads the stream from a checkpoint, folds each message, and hands rows to a sink.

Rows and checkpoint go to the sink in one transaction, written in a thread while the next messages are folded. The
state equals a fold of everything up to the position at each event; snapshots of it shorten the next start.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

from contracts.codec import Decoder, trust_of
from contracts.envelope import Recorded
from contracts.errors import TipstreamError
from projections.checkpoint import Checkpoint, StreamState, checkpoint_at
from projections.folds.changes import TableBatch, collect
from projections.folds.projection import State, advance, fold
from projections.folds.tables import Store
from projections.rate import Rate

SLICE = 16  # events between two looks at whoever asks something
MOST_PENDING = 10_000
SNAPSHOT_EVENTS = 20_000
BUSY_WAIT_S, BUSY_WAIT_MOST_S = 0.2, 5.0

T = TypeVar("T")
log = logging.getLogger(__name__)


class ProjectionStopped(TipstreamError):
    """A fold failed on an event: this projection stands before it until the fold is mended and started again."""

    def __init__(self, seq: int, cause: BaseException) -> None:
        super().__init__(
            f"the fold failed on event {seq} ({type(cause).__name__}: {cause}) and stands before it; "
            "mend the fold, then start this projection again"
        )
        self.seq, self.cause = seq, cause


class ProjectionEnded(TipstreamError):
    """What was waited for will not be folded: this projection has ended before it."""


class SinkFailed(TipstreamError):
    """A store could not take rows; nothing of that transaction is in it, and folding goes on from its checkpoint."""


class SinkBusy(TipstreamError):
    """A store cannot take rows just now (disk full, out of memory, locked); the same rows may be handed in again."""


class Source(Protocol):
    """The stream, as the bus gives it."""

    async def info(self) -> StreamState: ...
    async def get(self, seq: int) -> Recorded | None: ...
    def read(self, after: int, *, upto: int | None = None) -> AsyncIterator[list[Recorded]]: ...


class Sink(Protocol):
    """A store; called from one thread. `apply` is one transaction, `reset` empties the store."""

    def checkpoint(self) -> Checkpoint | None: ...
    def apply(self, batches: Sequence[TableBatch], checkpoint: Checkpoint) -> None: ...
    def reset(self) -> None: ...


class Snapshot(Protocol):
    """Where the state is saved between starts; `pack` is quick and called between events, `write` in a thread."""

    def load(self) -> tuple[State, Checkpoint] | None: ...
    def pack(self, state: State, checkpoint: Checkpoint) -> bytes: ...
    def write(self, packed: bytes) -> None: ...


class Projector:
    """Folds one stream into one sink. Without a store only what scoring needs is folded; without a sink the snapshot
    is all that is kept. With `gather_s` events that come one by one are folded together, at most so many seconds after
    the first; whoever waits for one has it at once.

    `seq` and `checkpoint` are what the sink holds, `state` is as far as folding has come (`state.seq`).
    """

    def __init__(
        self,
        source: Source,
        sink: Sink | None,
        store: Store | None,
        snapshot: Snapshot | None = None,
        *,
        min_interval_s: float = 0.0,
        gather_s: float = 0.0,
    ) -> None:
        self.state = State()
        self.checkpoint: Checkpoint | None = None
        self.last_error: str | None = None
        self.set_aside: str | None = None
        self.rate = Rate()
        self._source, self._sink, self._store, self._snapshot = source, sink, store, snapshot
        self._min_interval_s, self._gather_s = min_interval_s, gather_s
        self._thread = ThreadPoolExecutor(1, "sink")
        self._info: StreamState
        self._decoder: Decoder
        self._last: Recorded | None = None
        self._pending: dict[str, TableBatch] = {}
        self._pending_events = 0
        self._saved_seq = 0
        self._dirty, self._urgent, self._room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._stopping, self._awaited = asyncio.Event(), asyncio.Event()
        self._ended = False
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def seq(self) -> int:
        """The last event that the sink holds, 0 before the first."""
        return self.checkpoint.seq if self.checkpoint is not None else 0

    @property
    def reached(self) -> Checkpoint | None:
        """The position of `state`, which may be ahead of what the sink holds."""
        return checkpoint_at(self._info, self._last) if self._last is not None else self.checkpoint

    @property
    def position(self) -> Checkpoint | None:
        """How far `state` is, which may be ahead of the sink; None before the first event and after a failed fold."""
        position = self.checkpoint if self._last is None else checkpoint_at(self._info, self._last)
        return position if position is not None and position.seq == self.state.seq else None

    @property
    def events_per_s(self) -> float:
        """How fast events were folded over the last seconds."""
        return self.rate.per_second()

    async def wait_for(self, seq: int) -> None:
        """Return once the sink holds `seq`. Raises ProjectionEnded when that will not be."""
        if self.seq >= seq:
            return
        if self._ended:
            raise self._end_before(seq)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((seq, future))
        self._awaited.set()
        await future

    async def stop(self) -> None:
        """Ask `run` to end cleanly: what is folded is written, the state saved."""
        self._stopping.set()

    async def run(self, upto: int | None = None) -> None:
        """Fold for ever, or up to and with `upto`; once only.

        Raises ProjectionStopped when a fold fails, SinkFailed when the store does, and what the source raises. What
        was folded before is written in any case, also when this is cancelled.
        """
        try:
            await self._prepare()
            await self._drive(upto)
        except Exception as problem:
            self.last_error = str(problem) if isinstance(problem, TipstreamError) else repr(problem)
            raise
        finally:
            self._ended = True
            for seq, future in self._waiting:
                if not future.done():
                    future.set_exception(self._end_before(seq))
            self._thread.shutdown(wait=False)

    async def _drive(self, upto: int | None) -> None:
        folding = asyncio.create_task(self._fold_all(upto), name="fold")
        writing = asyncio.create_task(self._write_all(), name="write")
        asking = asyncio.create_task(self._stopping.wait(), name="stop")
        try:
            await asyncio.wait({folding, writing, asking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Cancelling takes effect between two events, so the state is whole.
            folding.cancel()
            asking.cancel()
            await asyncio.wait({folding, asking})
            self._stopping.set()
            self._urgent.set()
            self._dirty.set()
            await asyncio.wait({writing})
            if writing.exception() is None:
                await self._save()
        writing.result()
        if not folding.cancelled():
            folding.result()

    async def _prepare(self) -> None:
        """Find where to go on: the sink's checkpoint and the snapshot, if they are of this stream and this code."""
        self._info = info = await self._source.info()
        self._decoder = Decoder(info.created, trust_of(await self._source.get(info.first_seq)))
        saved = await self._in_thread(self._snapshot.load) if self._snapshot is not None else None
        held = saved[1] if saved is not None else None
        if self._sink is not None:
            held = await self._in_thread(self._sink.checkpoint)
        if held is not None and (why := await self._mismatch(held)):
            self.set_aside = why
            log.warning("the checkpoint at %d is set aside and everything folded again: %s", held.seq, why)
            held = None
        if held is None and self._sink is not None:
            await self._in_thread(self._sink.reset)
        self.checkpoint = held
        if saved is not None and held is not None and saved[1].seq <= held.seq and not await self._mismatch(saved[1]):
            self.state = saved[0]
            self._saved_seq = self.state.seq
        self._wake()

    async def _mismatch(self, checkpoint: Checkpoint) -> str | None:
        there = await self._source.get(checkpoint.seq) if checkpoint.seq <= self._info.last_seq else None
        return checkpoint.mismatch(self._info, there)

    async def _fold_all(self, upto: int | None) -> None:
        async for records in self._source.read(self.state.seq, upto=upto):
            for start in range(0, len(records), SLICE):
                events = records[start : start + SLICE]
                try:
                    for recorded in events:
                        self._fold(recorded)
                finally:
                    self.rate.count(len(events))
                await asyncio.sleep(0)
            if self.state.seq > self.seq:
                self._dirty.set()
            while self._pending_events >= MOST_PENDING:
                self._room.clear()
                self._urgent.set()
                await self._room.wait()
            if self._gather_s and len(records) <= SLICE and not self._waiting:
                self._awaited.clear()
                await _either(self._awaited, self._gather_s)

    def _fold(self, recorded: Recorded) -> None:
        state = self.state
        try:
            item = self._decoder.decode(recorded)
            _, changes = advance(state, item) if self._store is None else fold(state, item)
        except Exception as cause:
            log.exception("the fold failed on event %d", recorded.seq)
            raise ProjectionStopped(recorded.seq, cause) from cause
        self._last = recorded
        if recorded.seq > self.seq:
            # Below the checkpoint the state is only being brought to where the sink stands.
            self._pending_events += 1
            if self._store is not None:
                collect(self._pending, changes, self._store)

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self._dirty.wait()
            if not self._stopping.is_set() and (left := due - loop.time()) > 0:
                await _either(self._urgent, left)
            due = loop.time() + self._min_interval_s
            self._dirty.clear()
            self._urgent.clear()
            if self._pending_events:
                await self._write()
            if self._stopping.is_set() and not self._pending_events:
                return

    async def _write(self) -> None:
        """Hand over what is pending, with the position it belongs to."""
        assert self._last is not None
        batches, self._pending = list(self._pending.values()), {}
        self._pending_events = 0
        checkpoint = checkpoint_at(self._info, self._last)
        due = checkpoint.seq - self._saved_seq > max(SNAPSHOT_EVENTS, len(self.state.attribution.decisions) // 2)
        packed = self._pack(checkpoint) if due else None
        if self._sink is not None:
            await self._apply(self._sink, batches, checkpoint)
        self.checkpoint = checkpoint
        self._room.set()
        self._wake()
        if packed is not None:
            await self._keep(packed)

    async def _apply(self, sink: Sink, batches: Sequence[TableBatch], checkpoint: Checkpoint) -> None:
        wait_s = BUSY_WAIT_S
        while True:
            try:
                await self._in_thread(partial(sink.apply, batches, checkpoint))
            except SinkBusy as busy:
                if self._stopping.is_set():
                    raise SinkFailed(str(busy)) from busy
                self.last_error = str(busy)
                log.warning("the rows up to %d are tried again: %s", checkpoint.seq, busy)
                await _either(self._stopping, wait_s)
                wait_s = min(wait_s * 2, BUSY_WAIT_MOST_S)
            except Exception as cause:
                raise SinkFailed(
                    f"the rows up to event {checkpoint.seq} were not stored ({type(cause).__name__}: {cause})"
                ) from cause
            else:
                self.last_error = None
                return

    async def _save(self) -> None:
        """Save the state as it stands, unless that is saved or the sink does not stand there."""
        checkpoint = self.checkpoint
        if checkpoint is not None and checkpoint.seq > self._saved_seq and (packed := self._pack(checkpoint)):
            await self._keep(packed)

    def _pack(self, checkpoint: Checkpoint) -> bytes | None:
        """The state as bytes, if it is that of the checkpoint; after a fold has failed it is of no event."""
        if self._snapshot is None or self.state.seq != checkpoint.seq:
            return None
        self._saved_seq = checkpoint.seq
        return self._snapshot.pack(self.state, checkpoint)

    async def _keep(self, packed: bytes) -> None:
        assert self._snapshot is not None
        try:
            await self._in_thread(partial(self._snapshot.write, packed))
        except OSError as problem:
            # Only the next start takes longer.
            log.warning("no snapshot was saved: %s", problem)

    def _wake(self) -> None:
        held, waiting = self.seq, self._waiting
        if waiting:
            self._waiting = [(seq, future) for seq, future in waiting if seq > held]
            for seq, future in waiting:
                if seq <= held and not future.done():
                    future.set_result(None)

    def _end_before(self, seq: int) -> ProjectionEnded:
        return ProjectionEnded(f"this projection ended at {self.seq}, before {seq}: {self.last_error or 'stopped'}")

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, `seconds` at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
