"""A small system in this process, reports of a log by hand, and another process that holds something for a while."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from projections.sinks.duckdb import DuckdbSink
from tests.projections.reported import Reported
from tests.projections.small import SmallSystem


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


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[SmallSystem]:
    """A log with a small history; nothing runs on it yet."""
    system = SmallSystem(tmp_path / "home")
    await system.begin()
    yield system
    await system.bus.close()


@pytest.fixture
def reported(tmp_path: Path) -> Iterator[Reported]:
    """A log by hand with its reports."""
    sink = DuckdbSink(tmp_path / "reports.duckdb", {"threads": 1})
    yield Reported(sink)
    sink.close()
