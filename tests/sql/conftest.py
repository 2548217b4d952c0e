"""Runs the query process of `program.py` and attaches to it as an analyst would."""

import importlib
import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 60.0


class Program:
    """One query process under test; `say` a command, `await_until` something is so."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        self.file = folder / "query.duckdb"
        self._limits = limits
        self._numbers = itertools.count(1)
        self.start()

    def start(self, **limits: Any) -> None:
        """Start it, or start it again at its file once it ended."""
        self._limits |= limits
        self.port = free_port()
        self.records: list[dict[str, Any]] = []
        self._answers: dict[int, dict[str, Any]] = {}
        self._said: list[dict[str, Any]] = []
        self._news = threading.Condition()
        arguments = [str(self.file), str(self.port), json.dumps(self._limits)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.sql.program", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.await_until(lambda: {"ready": True} in self._said)

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            told = json.loads(line)
            with self._news:
                if "record" in told:
                    self.records.append(told["record"])
                elif "id" in told:
                    self._answers[told["id"]] = told
                else:
                    self._said.append(told)
                self._news.notify_all()
        with self._news:
            self._said.append({"gone": True})
            self._news.notify_all()

    def await_until(self, so: Callable[[], Any], seconds: float = DEADLINE) -> Any:
        """Wait for the process to say what makes `so()` true; an AssertionError at the deadline or at its end."""
        end = time.monotonic() + seconds
        with self._news:
            while not (found := so()):
                assert time.monotonic() < end, "it did not come to be so in time"
                assert {"gone": True} not in self._said, f"the process ended: {self.process.poll()}"
                self._news.wait(0.2)
        return found

    def ask(self, sql: str, **options: Any) -> dict[str, Any]:
        """What the console would get."""
        return self._command({"sql": sql, **options})

    def revoke(self, token: str) -> None:
        """From now on the token is nobody's."""
        self._command({"revoke": token})

    def state(self) -> dict[str, Any]:
        """Digest and counts, read by the process itself."""
        return self._command({"state": True})

    def _command(self, command: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"id": number, **command}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = self.await_until(lambda: self._answers.pop(number, None))
        return answer

    def attach(self, token: str = "token-of-alice") -> duckdb.DuckDBPyConnection:
        """A client of its own, attached as `tips`."""
        client = analyst()
        client.execute(f"ATTACH 'quack:localhost:{self.port}' AS tips (TOKEN '{token}')")
        return client

    def stop(self) -> int:
        """End it in order; its exit status."""
        assert self.process.stdin
        assert self.process.stdout
        try:
            self.process.stdin.close()
            status = self.process.wait(DEADLINE)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            status = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        self.process.stdout.close()
        return status


def analyst() -> duckdb.DuckDBPyConnection:
    """A DuckDB of an analyst's own, with Quack loaded from its wheel."""
    # The process under test has checked both signatures, which takes a third of a second.
    client = duckdb.connect(config={"allow_unsigned_extensions": True})
    for name in ("httpfs", "quack"):
        package = importlib.import_module(f"duckdb_extension_{name}")
        folder = Path(str(package.__file__)).parent
        client.execute(f"LOAD '{folder}/extensions/v{duckdb.__version__}/{name}.duckdb_extension'")
    return client


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A process that serves a module's tests."""
    running = Program(tmp_path_factory.mktemp("sql"), seconds=4.0, answer=2, memory=512, resident=1500)
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(program: Program) -> Iterator[duckdb.DuckDBPyConnection]:
    """An attached analyst."""
    with program.attach() as attached:
        yield attached
