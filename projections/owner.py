"""The owner of one projection: folds its live version and answers what `control.py` lists.

A fold that fails leaves its owner running, so that everyone sees where it stands and reads what was folded before;
whatever else goes wrong ends the process, which goes on at its checkpoint when it is started again.
"""

import asyncio
import base64
import dataclasses
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

from contracts.errors import TipstreamError
from projections.control import (
    BadQuestion,
    Digest,
    Forget,
    Piece,
    Question,
    Report,
    Schema,
    Sql,
    Status,
    Switch,
    View,
    read_question,
    write_answer,
)
from projections.damage import StoreDamaged
from projections.pieces import AnswerTooLarge, Pieces
from projections.projector import ProjectionEnded, ProjectionStopped, Projector, Source
from projections.reports.registry import report_of
from projections.sinks.duckdb import DuckdbSink
from projections.sinks.versions import OpenVersion, Versions, prepare_proof
from projections.sql.records import File, Form, Result, SqlError

MOST_ROWS = 100_000
SWITCH_S = 600.0
FORGET_S = 30.0

log = logging.getLogger(__name__)


class NoSuchVersion(TipstreamError):
    """A projection has no files of that version; make one with a replay."""


class NotFolded(TipstreamError):
    """Too little has been folded for an answer that would hold; the message says how far it is."""


class Door(Protocol):
    """People's SQL on the live version."""

    async def start(self) -> None: ...
    async def run(
        self, sql: str, *, actor: str, max_rows: int | None = None, timeout_s: float | None = None
    ) -> Result: ...
    async def run_file(
        self, sql: str, form: Form, *, actor: str, max_rows: int | None = None, timeout_s: float | None = None
    ) -> File: ...
    async def close(self) -> None: ...


MakeDoor = Callable[[DuckdbSink], Door]
LetGo = Callable[[str], Awaitable[None]]


@dataclasses.dataclass(slots=True)
class Live:
    """A version that is being folded; `door` is open over it in the query process."""

    version: OpenVersion
    projector: Projector
    folding: asyncio.Task[None]
    door: Door | None = None


class Owner:
    """Owns the files of one projection; `start`, then `run` until `stop`.

    `let_go` is called with a person who is erased, for what its process keeps of them beside the projection.
    """

    def __init__(
        self,
        bus: Source,
        versions: Versions,
        projection: str,
        *,
        make_door: MakeDoor | None = None,
        let_go: LetGo | None = None,
    ) -> None:
        self.projection = projection
        self._bus, self._versions, self._make_door, self._let_go = bus, versions, make_door, let_go
        self._live: Live | None = None
        self._pieces = Pieces()
        self._previous: int | None = None
        self._end_at_start: int | None = None
        self._caught_up = False
        self._opened = asyncio.Event()
        self._opening: asyncio.Task[None] | None = None
        self._switching = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def live(self) -> Live:
        """The live version, once started."""
        assert self._live is not None
        return self._live

    async def start(self) -> None:
        """Open the live version and begin to fold. Raises StoreInUse, AnalyticsInUse, SqlDoorError."""
        number = self._versions.live(self.projection)
        self._end_at_start = (await self._bus.info()).last_seq
        self._live = await self._open(number)
        self._previous = self._versions.point(self.projection, number).previous
        if self._make_door is not None:
            self._opening = asyncio.create_task(self._open_when_folded(self._live), name="open the door")
        self._opened.set()

    async def run(self) -> None:
        """Until `stop`. Raises what ended the folding, except a fold's failure, which is only shown."""
        stopping = asyncio.create_task(self._stopping.wait(), name="stop")
        try:
            await asyncio.wait((stopping, self._failed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            async with self._switching:
                await self._close(self.live)
        if self._failed.done():
            self._failed.result()

    def stop(self) -> None:
        """Ask `run` to end: what is folded is stored, the state saved, files closed."""
        self._stopping.set()

    async def answer(self, data: bytes) -> bytes:
        """Answer a control request, also before `start` ends. Raises TipstreamError with what to tell the asker."""
        question = read_question(data)
        if isinstance(question, Piece):
            return self._pieces.piece(question.kept, question.number)
        try:
            return self._pieces.cut(write_answer(await self._answer(question)))
        except StoreDamaged as problem:
            self._fail(problem)
            raise

    async def _answer(self, question: Question) -> dict[str, Any]:
        if isinstance(question, Status):
            return await self._status()
        await self._opened.wait()
        match question:
            case Digest(user_id):
                return await self._digest(user_id)
            case Switch(version, alone):
                return await self._switch(version, alone=alone)
            case Forget(user_id, seq):
                return await self._forget(user_id, seq)
            case View(name, limit):
                return await self._view(name, limit)
            case Report(name, parameters, limit):
                return await self._report(name, parameters, limit)
            case Sql():
                return await self._sql(question)
            case Schema():
                return {"relations": await asyncio.to_thread(self._duckdb().relations)}
            case _:
                raise BadQuestion(f"{type(question).__name__} is not asked of an owner")

    async def _status(self) -> dict[str, Any]:
        if self._live is None:
            return {"projection": self.projection, "state": "starting", "seq": 0}
        self._versions.stay(self.projection, self.live.version.number, self._previous)
        projector, info = self.live.projector, await self._bus.info()
        checkpoint = projector.checkpoint
        lag = max(info.last_seq - projector.seq, 0)
        behind_ns = time.time_ns() - (checkpoint.recorded_ns if checkpoint is not None else 0)
        return {
            "projection": self.projection,
            "state": self._state(self.live, lag),
            "version": self.live.version.number,
            "previous": self._previous,
            "seq": projector.seq,
            "stream_last_seq": info.last_seq,
            "lag_events": lag,
            "lag_seconds": max(behind_ns / 1e9, 0.0) if lag and checkpoint is not None else 0.0,
            "events_per_s": round(projector.events_per_s, 1),
            "last_error": projector.last_error,
            "set_aside": projector.set_aside,
            "checkpoint": dataclasses.asdict(checkpoint) if checkpoint is not None else None,
        }

    def _state(self, live: Live, lag: int) -> str:
        """Down when folding stands still before the stream's end; starting until it has once been where that was, and
        until people's SQL is answered where it is to be.
        """
        if lag and (live.projector.last_error or live.folding.done()):
            return "down"
        self._caught_up = self._caught_up or live.projector.seq >= (self._end_at_start or 0)
        ready = self._make_door is None or live.door is not None
        return "up" if self._caught_up and ready else "starting"

    async def _digest(self, user_id: str | None) -> dict[str, Any]:
        live = self.live
        proof = await asyncio.to_thread(prepare_proof(live.version, live.projector, user_id))
        if proof.checkpoint is None:
            raise NotFolded(f"{self.projection} has folded nothing yet; ask again shortly")
        return {
            "checkpoint": dataclasses.asdict(proof.checkpoint),
            "version": live.version.number,
            "tables": proof.tables,
            "digest": proof.digest,
        }

    async def _view(self, name: str, limit: int) -> dict[str, Any]:
        sink = self._duckdb()
        if not 1 <= limit <= MOST_ROWS:
            raise BadQuestion(f"limit is {limit}; 1 to {MOST_ROWS} rows can be asked for")
        columns, rows = await asyncio.to_thread(sink.view, name, limit)
        return {"columns": columns, "rows": [dict(zip(columns, row, strict=True)) for row in rows]}

    async def _report(self, name: str, parameters: dict[str, Any], limit: int | None) -> dict[str, Any]:
        sink, report = self._duckdb(), report_of(name)
        values = report.bind(parameters)
        if limit is not None and not 1 <= limit <= MOST_ROWS:
            raise BadQuestion(f"limit is {limit}; 1 to {MOST_ROWS} rows can be asked for")
        most = MOST_ROWS + 1 if limit is None else limit
        columns, rows = await asyncio.to_thread(sink.report, report, values, most)
        if len(rows) > MOST_ROWS:
            raise AnswerTooLarge(f"report {name} has more than {MOST_ROWS} rows; ask for fewer")
        return {"columns": columns, "rows": rows}

    async def _sql(self, asked: Sql) -> dict[str, Any]:
        door = await self._door()
        bounds: dict[str, Any] = {"actor": asked.actor, "max_rows": asked.rows, "timeout_s": asked.seconds}
        try:
            if asked.form == "rows":
                return dataclasses.asdict(await door.run(asked.sql, **bounds))
            file = await door.run_file(asked.sql, asked.form, **bounds)
        except SqlError as problem:
            return {"outcome": problem.outcome, "error": str(problem), "position": problem.position}
        return {**dataclasses.asdict(file), "content": base64.b64encode(file.content).decode()}

    async def _forget(self, user_id: str, seq: int) -> dict[str, Any]:
        async with asyncio.timeout(FORGET_S):
            await self.live.projector.wait_for(seq)
            if self._let_go is not None:
                await self._let_go(user_id)
        return await self._status()

    async def _switch(self, number: int, *, alone: bool) -> dict[str, Any]:
        async with self._switching:
            if number != self.live.version.number:
                if number not in self._versions.numbers(self.projection):
                    raise NoSuchVersion(f"{self.projection} has no version {number}")
                await self._switch_to(number)
            if alone:
                self._versions.keep_only(self.projection, number)
                self._previous = None
        return await self._status()

    async def _switch_to(self, number: int) -> None:
        old, new = self.live, await self._open(number)
        try:
            async with asyncio.timeout(SWITCH_S):
                while new.projector.seq < old.projector.seq:
                    await new.projector.wait_for(old.projector.seq)
        except BaseException:
            await self._close(new)
            raise
        self._previous = self._versions.point(self.projection, number).previous
        self._live = new
        # Both doors listen on one port.
        await self._close(old)
        await self._open_door(new)
        self._versions.drop_old(self.projection)
        log.info("%s is version %d from event %d on", self.projection, number, new.projector.seq)

    async def _open(self, number: int) -> Live:
        version = await asyncio.to_thread(self._versions.open, self.projection, number)
        projector = version.projector(self._bus)
        live = Live(version, projector, asyncio.create_task(projector.run(), name=f"{self.projection} v{number}"))
        live.folding.add_done_callback(lambda _: self._folded(live))
        return live

    def _folded(self, live: Live) -> None:
        problem = None if live.folding.cancelled() else live.folding.exception()
        if isinstance(problem, ProjectionStopped):
            log.error("%s: %s", self.projection, problem)
        elif problem is not None and (live is self._live or self._live is None):
            self._fail(problem)

    def _fail(self, problem: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(problem)

    async def _door(self) -> Door:
        if self._opening is None:
            raise BadQuestion(f"{self.projection} answers no SQL; ask tipstream.ctl.query")
        seq, end = self.live.projector.seq, self._end_at_start or 0
        if not self._opening.done() and seq < end:
            raise NotFolded(f"{self.projection} is still folding the log, {seq:,} of {end:,} events; ask again shortly")
        await asyncio.wait((self._opening,))
        if (door := self.live.door) is None:
            raise NotFolded(f"{self.projection} is opening another version; ask again shortly")
        return door

    async def _open_when_folded(self, live: Live) -> None:
        """An answer from half a log would look like any other."""
        with suppress(ProjectionEnded):
            await live.projector.wait_for(self._end_at_start or 0)
        async with self._switching:
            if live is self._live and not self._stopping.is_set() and not self._failed.done():
                await self._open_door(live)

    async def _open_door(self, live: Live) -> None:
        if self._make_door is not None:
            assert isinstance(live.version.sink, DuckdbSink)
            door = self._make_door(live.version.sink)
            try:
                await door.start()
                live.door = door
            except Exception as problem:
                self._fail(problem)

    async def _close(self, live: Live) -> None:
        await live.projector.stop()
        with suppress(Exception):
            # It was told or shown already.
            await live.folding
        if live.door is not None:
            await live.door.close()
        await asyncio.to_thread(live.version.close)

    def _duckdb(self) -> DuckdbSink:
        sink = self.live.version.sink
        if not isinstance(sink, DuckdbSink):
            raise BadQuestion(f"{self.projection} has no views and reports; ask tipstream.ctl.analytics")
        return sink
