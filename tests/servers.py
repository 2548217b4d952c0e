"""Real servers for tests: a nats-server that can be killed, frozen and started again, and an MLflow server."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from services.bus.embedded import server_command, write_config
from tests.processes import TipstreamProcess

START_LIMIT_S = 20.0
MLFLOW_START_LIMIT_S = 300.0


_given: set[int] = set()


def free_port() -> int:
    """A port of this machine that nobody listens on at the moment.

    Below those that the kernel gives to clients, one of which could take it before its server, or after its end.
    """
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


class NatsServer:
    """The embedded server as `tipstream up` runs it; it keeps port and store when it is killed and started."""

    def __init__(self, home: Path, fsync: Literal["always", "interval"] = "always") -> None:
        self.home = home
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.store_dir = home / "nats"
        self._fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and return once it takes connections."""
        command = server_command(write_config(self.home, port=self.port, fsync=self._fsync))
        with (self.home / "nats.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_LIMIT_S
        while not self._answers():
            said = (self.home / "nats.log").read_text()[-2000:]
            assert self._process.poll() is None, f"nats-server ended:\n{said}"
            assert time.monotonic() < deadline, f"nats-server does not answer:\n{said}"
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, as an operator."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def resume(self) -> None:
        """Thaw it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe,
        ):
            return probe.recv(4) == b"INFO"
        return False

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            os.kill(self._process.pid, how)
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def nats_server_in(home: Path) -> Iterator[NatsServer]:
    """A server that runs during the block, its store in that HOME."""
    server = NatsServer(home)
    server.start()
    try:
        yield server
    finally:
        server.kill()


class MlflowServer:
    """`tipstream mlflow` on a free port; it keeps port and store when it is killed and started."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: TipstreamProcess | None = None

    def start(self) -> None:
        """Start and return once it answers, which takes ten seconds on an idle machine."""
        settings = {"TIPSTREAM_HOME": str(self.home), "TIPSTREAM_MLFLOW_PORT": str(self.port)}
        with (self.home / "mlflow.log").open("ab") as log:
            self._process = TipstreamProcess("mlflow", environment={**os.environ, **settings}, output=log)
        deadline = time.monotonic() + MLFLOW_START_LIMIT_S
        while not self._answers():
            said = (self.home / "mlflow.log").read_text()[-2000:]
            assert self._process.poll() is None, f"MLflow ended:\n{said}"
            assert time.monotonic() < deadline, f"MLflow does not answer:\n{said}"
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/admin/models/health") as answer:
            return bool(answer.status == 200)
        return False
