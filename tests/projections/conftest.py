"""Another process that holds something, for as long as a test runs."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def other_process() -> Iterator[Callable[[str], None]]:
    """Runs Python statements elsewhere and returns once they ran; what they opened stays open."""
    running: list[subprocess.Popen[bytes]] = []

    def run(code: str) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", f"{code}\nprint(flush=True)\ninput()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline()

    yield run
    for process in running:
        process.communicate(b"\n", timeout=20)
