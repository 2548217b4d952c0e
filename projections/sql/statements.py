"""Runs one person's statement: checked, on a cursor of its own, under watch, with one record of how it ended."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import duckdb

from projections.sql import guard
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
from projections.sql.watchdog import Watchdog

# After one of these DuckDB refuses every further statement, the fold's too, until the file is opened again.
_BROKEN = (duckdb.FatalException, duckdb.InternalException)
LONGEST_ERROR = 4000
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks what by which door, with how many seconds to answer in."""

    sql: str
    actor: str
    door: Door
    seconds: float


class Statements:
    """All statements of one DuckDB instance; any thread may `perform`, at most `limits.concurrent` a door at a time.

    `report` gets exactly one record a statement, from the thread that ran it or the watchdog's.
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
        # Read to its end: an answer left open is a transaction left open, and then the file is never checkpointed.
        rows = self._root.execute("SELECT current_database()").fetchall()
        self._catalog = str(rows[0][0])

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A new cursor on the instance."""
        with self._spawning:
            return self._root.cursor()

    def close(self) -> None:
        """Let go of the instance; nothing may run any more."""
        self._root.close()

    def perform(self, asked: Asked, work: Callable[[duckdb.DuckDBPyConnection, str], tuple[Answer, int]]) -> Answer:
        """What `work(cursor, checked SELECT)` answers, which gives the number of rows too. Raises `SqlError`."""
        entry = _Entry(asked, self._report)
        try:
            answer, rows = self._run(asked, work, lambda why: entry.close("ended", error=why))
        except SqlError as error:
            outcome: Outcome = "failed"
            if isinstance(error, SqlRefused):
                outcome = "refused"
            elif isinstance(error, SqlTimedOut):
                outcome = "timed_out"
            entry.close(outcome, error=str(error))
            raise
        except BaseException as error:
            entry.close("failed", error=repr(error))
            raise
        entry.close("ok", rows=rows)
        return answer

    def refuse(self, asked: Asked, reason: str) -> None:
        """Record what was turned away before it came to be a statement."""
        _Entry(asked, self._report).close("refused", error=reason)

    def _run(
        self,
        asked: Asked,
        work: Callable[[duckdb.DuckDBPyConnection, str], tuple[Answer, int]],
        on_end: Callable[[str], None],
    ) -> tuple[Answer, int]:
        slots = self._slots[asked.door]
        if not slots.acquire(timeout=asked.seconds):
            raise SqlRefused("too many statements run at this moment; try again in a few seconds")
        try:
            with self.cursor() as cursor, self._watchdog.watch(asked.seconds, cursor.interrupt, on_end) as running:
                try:
                    return work(cursor, guard.check(asked.sql, catalog=self._catalog))
                except _BROKEN as error:
                    self._watchdog.end(f"DuckDB broke and has to be opened again: {error}")
                except (duckdb.Error, MemoryError) as error:
                    if running.verdict == "time":
                        told = f"stopped at its limit of {asked.seconds:g} s; narrow it, or aggregate before joining"
                        raise SqlTimedOut(told) from error
                    if running.verdict == "memory":
                        raise SqlFailed("stopped because it took the process's memory; narrow it") from error
                    raise SqlFailed(str(error)) from error
        finally:
            slots.release()


class _Entry:
    """One statement's record, written once by whoever comes first: its own thread or the watchdog."""

    def __init__(self, asked: Asked, report: Callable[[StatementRecord], None]) -> None:
        self._asked = asked
        self._report = report
        self._started_us = time.time_ns() // 1000
        self._started_ns = time.perf_counter_ns()
        self._open = threading.Lock()

    def close(self, outcome: Outcome, *, rows: int | None = None, error: str | None = None) -> None:
        if not self._open.acquire(blocking=False):
            return
        asked, duration_us = self._asked, (time.perf_counter_ns() - self._started_ns) // 1000
        sql = asked.sql[: guard.LONGEST].encode(errors="replace").decode()
        error = error and error[:LONGEST_ERROR]
        self._report(StatementRecord(asked.actor, sql, asked.door, self._started_us, duration_us, rows, outcome, error))
