"""Ends statements that outlive their limit, and the whole process when one cannot be ended otherwise.

DuckDB hears an interrupt only between chunks: one call of `levenshtein`, `list_sort` or `range` over a large value
runs on for minutes, and some such calls allocate far past `memory_limit`. So a statement over its time, or all of
them when the process is over its memory, are interrupted first; what still runs after `PATIENCE` takes the process
with it (exit status 70), for its supervisor to start again at its checkpoint. Should this thread itself not get to
run, because something holds the interpreter, a kernel timer (SIGALRM, default action) ends the process a moment later.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import duckdb

EXIT_STATUS = 70  # EX_SOFTWARE of sysexits.h
PATIENCE = 0.6  # from the interrupt to the decision that it was not heard
CROWDED_PATIENCE = 0.15  # the same while memory runs out: it was seen to grow by 2.5 GB/s
LAST_WORDS = 0.8  # for the answer and the record of the ended statement to leave a busy process
CROWDED_LAST_WORDS = 0.3
KERNEL_SLACK = 0.4
_TICK, _IDLE_TICK = 0.05, 0.5


class Running:
    """A statement under watch. `verdict` is set once it has to end: "time" or "memory"."""

    def __init__(self, seconds: float, interrupt: Callable[[], None], on_end: Callable[[str], None]) -> None:
        self.deadline = time.monotonic() + seconds
        self.interrupt = interrupt
        self.on_end = on_end
        self.verdict: str | None = None
        self.interrupted_at = 0.0

    def must_end(self, now: float, why: str) -> None:
        """Interrupt; called again and again, since an interrupt before the statement's start is forgotten."""
        if self.verdict is None:
            self.verdict, self.interrupted_at = why, now
        with suppress(Exception):  # whatever it was, the process is ended in its stead
            self.interrupt()

    def heed(self) -> None:
        """Stop here if it has to end: for work beside DuckDB, which hears no interrupt. Raises InterruptException."""
        if self.verdict is not None:
            raise duckdb.InterruptException("INTERRUPT Error: Interrupted!")

    def is_deaf(self, now: float) -> bool:
        """Whether it was interrupted long enough ago to have stopped."""
        return self.verdict is not None and now >= self.interrupted_at + PATIENCE


class Watchdog:
    """One thread that watches all running statements and the process's memory (`resident` MiB, 0 = unwatched)."""

    def __init__(self, *, resident: int) -> None:
        self._resident = resident
        self._running: set[Running] = set()
        self._changed = threading.Condition()
        self._closing = False
        self._ending: str | None = None
        self._crowded_at: float | None = None
        self._thread = threading.Thread(target=self._watch, name="sql-watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Interrupt what runs and stop watching; the kernel timer stays until the last statement has ended."""
        with self._changed:
            self._closing = True
            for running in self._running:
                running.interrupt()
            self._changed.notify_all()
        self._thread.join()

    @contextmanager
    def watch(self, seconds: float, interrupt: Callable[[], None], on_end: Callable[[str], None]) -> Iterator[Running]:
        """Watch what runs inside the block for `seconds`; `on_end(why)` is called if the process goes with it, at once
        if it is going already."""
        running = Running(seconds, interrupt, on_end)
        with self._changed:
            self._running.add(running)
            self._arm()
            self._changed.notify_all()
            if self._ending is not None:
                on_end(self._ending)
        try:
            yield running
        finally:
            with self._changed:
                self._running.discard(running)
                self._arm()

    def end(self, why: str) -> NoReturn:
        """Tell every running statement that the process ends, then end it."""
        try:
            with self._changed:
                self._ending = why
                for running in self._running:
                    running.on_end(why)
                crowded = self._crowded_at is not None
            time.sleep(CROWDED_LAST_WORDS if crowded else LAST_WORDS)
            print(f"the query process ends itself: {why}; it goes on at its checkpoint", file=sys.stderr, flush=True)
        finally:
            os._exit(EXIT_STATUS)

    def _arm(self) -> None:
        # Per process there is one such timer: it stands at the earliest of the last moments.
        first = min((running.deadline for running in self._running), default=None)
        last = 0.0 if first is None else first - time.monotonic() + PATIENCE + LAST_WORDS + KERNEL_SLACK
        signal.setitimer(signal.ITIMER_REAL, 0.0 if first is None else max(last, 0.01))

    def _watch(self) -> None:
        while True:
            with self._changed:
                self._changed.wait(_TICK if self._running else _IDLE_TICK)
                if self._closing:
                    return
                why = self._judge()
            if why:
                self.end(why)

    def _judge(self) -> str | None:
        now = time.monotonic()
        crowded = 0 < self._resident < resident_mebibytes()
        self._crowded_at = (self._crowded_at or now) if crowded else None
        for running in self._running:
            if crowded or running.verdict or now >= running.deadline:
                running.must_end(now, "memory" if crowded else "time")
        # Memory that a stopped statement held goes back with a delay: with none running there is time to wait for it.
        patience = CROWDED_PATIENCE if self._running else PATIENCE
        if self._crowded_at is not None and now >= self._crowded_at + patience:
            return f"its memory passed {self._resident} MiB"
        if any(running.is_deaf(now) for running in self._running):
            return "a statement outlived its limit and its interrupt"
        return None


def resident_mebibytes() -> int:
    """The memory this process holds now, MiB; 0 where the system has no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20
