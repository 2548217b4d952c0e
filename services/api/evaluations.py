"""Off-policy evaluations that run beside the API: each in a process of its own, one at a time, the latest kept.

A walk over the log takes as long as the log is; in a thread of this process it would hold up recommendations.
"""

import asyncio
import contextlib
import os
import signal
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import Any, Literal

import orjson

from services.forking.start import command
from services.problems import Problem
from services.publishing import now_us
from services.settings import Settings

KEPT = 32
MOST_WAITING = 8
NICENESS = 10

State = Literal["waiting", "running", "done", "failed"]


@dataclass(slots=True)
class Run:
    """One evaluation, asked for at `asked_us` and ended at `ended_us`: its `report`, or why there is none."""

    arguments: tuple[str, ...]
    asked_us: int
    state: State = "waiting"
    ended_us: int | None = None
    report: dict[str, Any] | None = None
    problem: str = ""
    task: asyncio.Task[None] | None = field(default=None, repr=False, compare=False)


class Evaluations:
    """Runs `tipstream evaluate` for whoever asks, and keeps what it said until it is asked again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._runs: OrderedDict[tuple[str, ...], Run] = OrderedDict()
        self._turn = asyncio.Lock()

    def of(self, arguments: Sequence[str], *, again: bool = False) -> Run:
        """The latest run with these arguments of the command, begun if there is none, or `again` once it has ended.

        Raises Problem 503 while too many others wait.
        """
        key = tuple(arguments)
        run = self._runs.get(key)
        if run is None or (again and run.ended_us is not None):
            unfinished = sum(one.ended_us is None for one in self._runs.values())
            if unfinished > MOST_WAITING:
                raise Problem.unavailable(f"{unfinished} evaluations wait already; ask again when some are done")
            run = self._runs[key] = Run(key, now_us())
            run.task = asyncio.create_task(self._carry_out(run), name="evaluate a policy")
        self._runs.move_to_end(key)
        for old in [one for one in self._runs.values() if one.ended_us is not None][: max(len(self._runs) - KEPT, 0)]:
            del self._runs[old.arguments]
        return run

    async def close(self) -> None:
        """End what runs and what waits."""
        tasks = [run.task for run in self._runs.values() if run.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry_out(self, run: Run) -> None:
        async with self._turn:
            run.state = "running"
            try:
                said, complaint = await self._ask(run.arguments)
            except OSError as error:
                said, complaint = b"", f"the evaluation cannot be started: {error}"
            run.ended_us = now_us()
            try:
                run.report = orjson.loads(said)
                run.state = "done"
            except orjson.JSONDecodeError:
                run.state, run.problem = "failed", complaint or "the evaluation ended without an answer"

    async def _ask(self, arguments: Sequence[str]) -> tuple[bytes, str]:
        where = {"TIPSTREAM_HOME": str(self._settings.home), "TIPSTREAM_NATS_URL": self._settings.bus_url}
        start = command(["evaluate", *arguments, "--json"], {**os.environ, **where})
        with TemporaryFile() as nothing, TemporaryFile() as said, TemporaryFile() as complained:
            process = await start((nothing.fileno(), said.fileno(), complained.fileno()))
            try:
                with contextlib.suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
                await process.wait()
            finally:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process.pid, signal.SIGKILL)
                    await process.wait()
            for written in (said, complained):
                written.seek(0)
            lines = complained.read().decode(errors="replace").strip().splitlines()
            return said.read(), lines[-1].removeprefix("tipstream: ") if lines else ""
