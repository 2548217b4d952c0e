"""Runs one person's statement: checked, on a cursor of its own, under watch, with one record of how it ended.

It runs in a thread of its own, so that whoever asked gets an answer at the limit, also when nothing ends the statement
but the end of the process.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import duckdb

from projections.sql import guard
from projections.sql.places import placed
from projections.sql.records import (
    Door,
    Outcome,
    SqlError,
    SqlFailed,
    SqlLimits,
    SqlRefused,
    SqlTimedOut,
    StatementRecord,
)
from projections.sql.watchdog import Running, Watchdog

# After one of these DuckDB refuses every further statement, the fold's too, until the file is opened again.
_BROKEN = (duckdb.FatalException, duckdb.InternalException)
LONGEST_ERROR = 4000
Answer = TypeVar("Answer")
Work = Callable[[duckdb.DuckDBPyConnection, str, Running], tuple[Answer, int]]
"""(cursor, checked SELECT, the statement under watch) -> the answer and its number of rows."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks what by which door, with how many seconds to answer in."""

    sql: str
    actor: str
    door: Door
    seconds: float


class Statements:
    """All statements of one DuckDB instance; any thread may `perform`, at most `limits.concurrent` a door at a time.

    `report` gets exactly one record a statement, from the thread that asked or ran it or the watchdog's.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        *,
        watchdog: Watchdog,
        limits: SqlLimits,
        report: Callable[[StatementRecord], None],
    ) -> None:
        self._root = connection.cursor()
        self._spawning = threading.Lock()
        self._watchdog = watchdog
        self._report = report
        # A door of its own each, so that analysts' tools cannot keep the console waiting.
        doors: tuple[Door, ...] = ("console", "quack")
        self._slots = {door: threading.BoundedSemaphore(limits.concurrent) for door in doors}
        self._threads = ThreadPoolExecutor(limits.concurrent * len(doors), "statement")
        # Read to its end: an answer left open is a transaction left open, and then the file is never checkpointed.
        rows = self._root.execute("SELECT current_database()").fetchall()
        self._catalog = str(rows[0][0])

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A new cursor on the instance."""
        with self._spawning:
            return self._root.cursor()

    def close(self) -> None:
        """Let go of the instance; nothing may be asked any more."""
        self._threads.shutdown(wait=False)
        self._root.close()

    def perform(self, asked: Asked, work: Work[Answer]) -> Answer:
        """What `work` answers. Raises `SqlError`.

        The limit counts from this call on, waiting for others included.
        """
        entry: _Entry[Answer] = _Entry(asked, self._report)
        slots = self._slots[asked.door]
        if not slots.acquire(timeout=asked.seconds):
            entry.fail(SqlRefused("too many statements run at this moment; try again in a few seconds"))
        else:
            running = self._threads.submit(self._run, entry, work)
            running.add_done_callback(lambda _: slots.release())
        return entry.ended.result()

    def refuse(self, asked: Asked, reason: str) -> None:
        """Record what was turned away before it came to be a statement."""
        _Entry(asked, self._report).fail(SqlRefused(reason))

    def _run(self, entry: "_Entry[Answer]", work: Work[Answer]) -> None:
        try:
            entry.succeed(*self._work(entry, work))
        except BaseException as error:
            entry.fail(error)

    def _work(self, entry: "_Entry[Answer]", work: Work[Answer]) -> tuple[Answer, int]:
        asked = entry.asked
        with self.cursor() as cursor, self._watchdog.watch(entry.left(), cursor.interrupt, entry.give_up) as running:
            try:
                return work(cursor, guard.check(asked.sql, catalog=self._catalog), running)
            except _BROKEN as error:
                self._watchdog.end(f"DuckDB broke and has to be opened again: {error}")
            except (duckdb.Error, MemoryError) as error:
                if running.verdict == "time":
                    raise SqlTimedOut(_too_long(asked)) from error
                if running.verdict == "memory":
                    raise SqlFailed("stopped because it took the process's memory; narrow it") from error
                words, position = placed(str(error), asked.sql)
                raise SqlFailed(words, position=position) from error


def _too_long(asked: Asked) -> str:
    return f"stopped at its limit of {asked.seconds:g} s; narrow it, or aggregate before joining"


class _Entry(Generic[Answer]):
    """One statement's end, told once to whoever asked and to the log: by its own thread or the watchdog's."""

    def __init__(self, asked: Asked, report: Callable[[StatementRecord], None]) -> None:
        self.asked = asked
        self.ended: Future[Answer] = Future()
        self._report = report
        self._started_us = time.time_ns() // 1000
        self._started_ns = time.perf_counter_ns()
        self._open = threading.Lock()

    def left(self) -> float:
        """How many seconds of the limit are left."""
        return self.asked.seconds - (time.perf_counter_ns() - self._started_ns) / 1e9

    def succeed(self, answer: Answer, rows: int) -> None:
        if self._close("ok", rows=rows):
            self.ended.set_result(answer)

    def fail(self, error: BaseException) -> None:
        outcome, told = (error.outcome, str(error)) if isinstance(error, SqlError) else ("failed", repr(error))
        if self._close(outcome, error=told):
            self.ended.set_exception(error)

    def give_up(self, why: str) -> None:
        """The process ends, and this statement with it."""
        if self._close("ended", error=why):
            told = _too_long(self.asked) if self.left() <= 0 else f"ended with the process, try again shortly: {why}"
            self.ended.set_exception(SqlTimedOut(told))

    def _close(self, outcome: Outcome, *, rows: int | None = None, error: str | None = None) -> bool:
        if not self._open.acquire(blocking=False):
            return False
        asked, duration_us = self.asked, (time.perf_counter_ns() - self._started_ns) // 1000
        sql = asked.sql[: guard.LONGEST].encode(errors="replace").decode()
        error = error and error[:LONGEST_ERROR]
        self._report(StatementRecord(asked.actor, sql, asked.door, self._started_us, duration_us, rows, outcome, error))
        return True
