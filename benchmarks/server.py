"""A nats-server for a benchmark: on a free port, in a folder of its own, gone when the block ends."""

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from services.bus.embedded import server_command, write_config

Fsync = Literal["always", "interval"]
FSYNCS: tuple[Fsync, ...] = ("always", "interval")
START_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Server:
    """Where it listens and keeps its store."""

    home: Path
    port: int

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def nats_server(fsync: Fsync) -> Iterator[Server]:
    """Run the embedded server as `tipstream up` does, with an empty store."""
    with tempfile.TemporaryDirectory(prefix="tipstream-bench-") as folder:
        server = Server(Path(folder), free_port())
        command = server_command(write_config(server.home, port=server.port, fsync=fsync))
        with (server.home / "nats.log").open("wb") as log, ended(subprocess.Popen(command, stdout=log, stderr=log)):
            wait_for_port(server.port)
            yield server


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is gone when the block ends: no leftover may disturb the next measurement."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_port(port: int) -> None:
    """Return once something listens; RuntimeError when nothing does in time."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port} after {START_LIMIT_S:g} s")
