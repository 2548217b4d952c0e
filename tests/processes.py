"""Tipstream's processes for tests, forked from one that has imported everything: a start costs a moment, not seconds.

They are forked as those of `tipstream up` are; `tests/system/test_up.py` starts the program itself.
"""

import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from services.forking.client import LOST, ForkServer
from services.forking.server import PRELOADED

SLOW_TO_IMPORT = (
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
)
"""What the processes under test import besides."""

forks = ForkServer(os.environ, (*PRELOADED, *SLOW_TO_IMPORT))
"""Shared by all tests of this process; `tests/conftest.py` ends it."""


class TipstreamProcess:
    """`tipstream ARGUMENTS`, with what is asked of `subprocess.Popen`."""

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str],
        output: IO[bytes],
        errors: IO[bytes] | None = None,
        text: IO[bytes] | None = None,
    ) -> None:
        with open(os.devnull, "rb") as nothing:
            streams = ((text or nothing).fileno(), output.fileno(), (errors or output).fileno())
            self._channel = forks.ask(arguments, environment, streams)
        self._lines = self._channel.makefile("rb")
        self.pid = int(self._lines.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code once it has ended."""
        if self.returncode is None and select.select([self._channel], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises TimeoutExpired."""
        if self.returncode is None and not select.select([self._channel], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("tipstream", timeout or 0)
        return self._end() if self.returncode is None else self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _end(self) -> int:
        self.returncode = int(self._lines.readline() or LOST)
        self._lines.close()
        self._channel.close()
        return self.returncode


def run_tipstream(
    *arguments: str, environment: Mapping[str, str], text: str = "", timeout: float = 300.0
) -> subprocess.CompletedProcess[str]:
    """Run `tipstream ARGUMENTS` to its end, as `subprocess.run` would with its output captured."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        given.write(text.encode())
        given.seek(0)
        process = TipstreamProcess(*arguments, environment=environment, output=output, errors=errors, text=given)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        said = []
        for stream in (output, errors):
            stream.seek(0)
            said.append(stream.read().decode())
    return subprocess.CompletedProcess(arguments, code, *said)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody waited for does not (Linux)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
