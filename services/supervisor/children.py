"""The processes of a running Tipstream: their names, commands and order, and one of them kept alive."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from services.forking.start import Process, Start

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
# Whatever ran for so long was able to; who killed it then should not have to wait for it.
STEADY_S = 5.0
STOP_S = 15.0

MLFLOW = "mlflow"
PROCESSES: tuple[str, ...] = ("scorer", "projector", "analytics", "query", "replayer", "shadow", "api", MLFLOW)
"""The commands `tipstream up` runs beside the NATS server, in the order they are started."""


@dataclass(slots=True)
class Child:
    """One process that is started again, with growing pauses, whenever it ends.

    Its output goes to `log`; `pid_file` holds its process id while it runs.
    """

    name: str
    begin: Start
    log: Path
    pid_file: Path
    on_change: Callable[[str], None]
    restarts: int = 0
    process: Process | None = None
    stopping: bool = False
    _task: asyncio.Task[None] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Begin keeping it alive."""
        self._task = asyncio.create_task(self._keep_alive(), name=f"keep {self.name}")

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def _keep_alive(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            began = monotonic()
            try:
                ended = f"ended with {_outcome(await self._run())}"
            except OSError as problem:
                ended = f"did not start: {problem}"
            if self.stopping:
                return
            self.restarts += 1
            pause = FIRST_PAUSE_S if monotonic() - began > STEADY_S else min(2 * pause, LONGEST_PAUSE_S)
            self.on_change(f"{self.name} {ended}; starting it again in {pause:.1f} s ({self.log})")
            await asyncio.sleep(pause)

    async def _run(self) -> int:
        with self.log.open("ab") as log, open(os.devnull, "rb") as nothing:  # noqa: ASYNC230 - neither waits
            self.process = await self.begin((nothing.fileno(), log.fileno(), log.fileno()))
        self.pid_file.write_text(str(self.process.pid))
        try:
            return await self.process.wait()
        finally:
            self.pid_file.unlink(missing_ok=True)

    def renew(self) -> None:
        """End it, so that it is started again."""
        if self.running:
            self._signal(signal.SIGTERM)

    async def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL for one that does not listen."""
        self.stopping = True
        if self.process is not None and self.running:
            self._signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), STOP_S)
            except TimeoutError:
                self._signal(signal.SIGKILL)
                await self.process.wait()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, number)


def _outcome(code: int) -> str:
    return f"status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
