"""A whole Tipstream as `tipstream up` runs it: on free ports, in a HOME of its own, with processes to kill."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal

import httpx

from services.bus.jetstream import JetStreamBus
from tests.processes import TipstreamProcess, run_tipstream
from tests.servers import free_port

START_LIMIT_S = 180.0
KEY, PASSWORD = "test-api-key", "test-admin-password"


class RunningSystem:
    """`tipstream up` as a process; every helper talks to it from outside, as its users do.

    It is forked from one that has imported everything, or with `as_a_program` started as its operator starts it.
    """

    def __init__(
        self,
        home: Path,
        *options: str,
        mlflow: Literal["on", "off"] = "off",
        as_a_program: bool = False,
        **variables: str,
    ) -> None:
        self.home = home
        self.options = options
        self.as_a_program = as_a_program
        names = ("PORT", "SCORER_PORT", "NATS_PORT", "QUACK_PORT", "MLFLOW_PORT")
        self.ports = {name: free_port() for name in names}
        self.environment = {
            **os.environ,
            "TIPSTREAM_HOME": str(home),
            "TIPSTREAM_API_KEY": KEY,
            "TIPSTREAM_ADMIN_PASSWORD": PASSWORD,
            # It needs ten seconds of a processor to start: only where a test is about it.
            "TIPSTREAM_MLFLOW": mlflow,
            **{f"TIPSTREAM_{name}": str(port) for name, port in self.ports.items()},
            **{f"TIPSTREAM_{name.upper()}": value for name, value in variables.items()},
        }
        self.api = httpx.Client(
            base_url=f"http://127.0.0.1:{self.ports['PORT']}",
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=20.0,
        )
        self.admin = httpx.Client(base_url=self.api.base_url, auth=("admin", PASSWORD), timeout=20.0)
        self.scorer = httpx.Client(
            base_url=f"http://127.0.0.1:{self.ports['SCORER_PORT']}", headers=self.api.headers, timeout=20.0
        )
        self._process: subprocess.Popen[bytes] | TipstreamProcess | None = None

    @property
    def nats_url(self) -> str:
        return f"nats://127.0.0.1:{self.ports['NATS_PORT']}"

    def start(self) -> None:
        """Start and return once health says that everything is up."""
        self.home.mkdir(exist_ok=True)
        with (self.home / "up.log").open("ab") as log:
            self._process = self._up(log)
        try:
            self.wait_healthy()
        except BaseException:
            self.stop()
            raise

    def _up(self, log: IO[bytes]) -> subprocess.Popen[bytes] | TipstreamProcess:
        if not self.as_a_program:
            return TipstreamProcess("up", *self.options, environment=self.environment, output=log)
        command = [sys.executable, "-m", "services.cli", "up", *self.options]
        return subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ctrl-C (or another signal), and wait until `up` has ended; it may be started again."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        for client in (self.api, self.admin, self.scorer):
            client.close()

    def wait_healthy(self, limit: float = START_LIMIT_S) -> dict[str, Any]:
        """Health once it is 200; AssertionError with the logs when it never is."""
        deadline, said = time.monotonic() + limit, ""
        while time.monotonic() < deadline:
            assert self._process is None or self._process.poll() is None, f"up ended:\n{self.logs()}"
            with suppress(httpx.HTTPError):
                answer = self.api.get("/api/health")
                said = answer.text
                if answer.status_code == 200:
                    health: dict[str, Any] = answer.json()
                    return health
            time.sleep(0.05)
        raise AssertionError(f"not healthy within {limit:g} s: {said}\n{self.logs()}")

    def wait_folded(self, limit: float = 60.0) -> int:
        """Wait until every projection has folded what the stream held when this was called; that sequence."""
        deadline = time.monotonic() + limit
        target = self._last_seq()
        while True:
            components = self.wait_healthy()["components"]
            seqs = {name: part["seq"] for name, part in components.items() if part.get("seq") is not None}
            if all(seq >= target for seq in seqs.values()):
                return target
            assert time.monotonic() < deadline, f"{target} not folded within {limit:g} s: {seqs}"
            time.sleep(0.02)

    def _last_seq(self) -> int:
        """The end of the stream, of which health may say what it was a moment ago."""

        async def asked() -> int:
            bus = await JetStreamBus.connect(self.nats_url, name="test")
            try:
                return (await bus.info()).last_seq
            finally:
                await bus.close()

        # In a thread, since Playwright's loop may run in this one.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, asked()).result()

    def kill(self, name: str, limit: float = 60.0) -> None:
        """SIGKILL one process, as a crash, and wait until another has been started in its place."""
        victim, deadline = self.pid(name), time.monotonic() + limit
        assert victim is not None, f"{name} is not running"
        os.kill(victim, signal.SIGKILL)
        while self.pid(name) in (None, victim):
            assert time.monotonic() < deadline, f"{name} was not started again within {limit:g} s"
            time.sleep(0.02)
        # Health is looked at anew four times a second; what it said before the crash is of no use.
        time.sleep(0.5)

    def pids(self) -> dict[str, int]:
        """The process ids of all that runs under `up`."""
        return {path.stem: int(path.read_text()) for path in (self.home / "run").glob("*.pid")}

    def pid(self, name: str) -> int | None:
        """The process id of one of the processes, None while it is not running."""
        with suppress(FileNotFoundError, ValueError):
            return int((self.home / "run" / f"{name}.pid").read_text())
        return None

    def run(self, *arguments: str, status: int | None = 0, text: str = "") -> str:
        """Run `tipstream ...` against this system; its standard output."""
        done = run_tipstream(*arguments, environment=self.environment, text=text)
        assert status is None or done.returncode == status, (
            f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout

    def verify(self) -> dict[str, Any]:
        """The report of `tipstream verify --json`, proven or not."""
        report: dict[str, Any] = json.loads(self.run("verify", "--json", status=None))
        return report

    def sql(self, statement: str) -> list[list[Any]]:
        """Rows of `tipstream sql`."""
        rows: list[list[Any]] = json.loads(self.run("sql", statement, "--json"))["rows"]
        return rows

    def logs(self) -> str:
        """The last lines of every log."""
        files = [self.home / "up.log", *sorted((self.home / "logs").glob("*.log"))]
        return "\n".join(f"== {path.name}\n{path.read_text()[-1500:]}" for path in files if path.exists())
