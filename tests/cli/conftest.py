"""The command line in this process, against a real server that has a stream and, where asked, a worker."""

import asyncio
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.bootstrap import ensure_stream
from services.bus.jetstream import JetStreamBus
from services.cli.app import main
from services.settings import Settings
from tests.processes import TipstreamProcess
from tests.servers import NatsServer, free_port

Cli = Callable[..., subprocess.CompletedProcess[str]]


@contextmanager
def begun(home: Path) -> Iterator[NatsServer]:
    """A server whose stream has begun."""
    running = NatsServer(home, fsync="interval")
    running.start()

    async def begin() -> None:
        bus = await JetStreamBus.connect(running.url, name="test")
        await ensure_stream(bus, Settings(home=running.home))
        await bus.close()

    asyncio.run(begin())
    yield running
    running.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One for a module of tests."""
    with begun(tmp_path_factory.mktemp("cli")) as running:
        yield running


@pytest.fixture
def cli(server: NatsServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs `tipstream ...` on that server, in this process to be quick; keyword arguments are variables."""
    for name in os.environ:
        if name.startswith("TIPSTREAM_"):
            monkeypatch.delenv(name)

    def run(*arguments: str, text: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        given = {"HOME": str(server.home), "NATS_URL": server.url, **variables}
        with monkeypatch.context() as patch:
            for name, value in given.items():
                patch.setenv(f"TIPSTREAM_{name}", value)
            patch.setenv("COLUMNS", "200")
            patch.setattr(sys, "argv", ["tipstream", *arguments])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
            status = 0
            try:
                main()
            except SystemExit as end:
                status = int(end.code or 0)
        said = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, status, said.out, said.err)

    return run


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT as a program has it that was started by hand: what runs these tests may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def worker(server: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], None]]:
    """Starts a process of Tipstream on that server, once; all are ended after the module."""
    folder: Path = tmp_path_factory.mktemp("workers")
    running: dict[str, TipstreamProcess] = {}

    def start(name: str) -> None:
        if name in running:
            return
        environment = {
            **os.environ,
            "TIPSTREAM_HOME": str(server.home),
            "TIPSTREAM_NATS_URL": server.url,
            "TIPSTREAM_QUACK_PORT": str(free_port()),
        }
        with (folder / f"{name}.log").open("ab") as log:
            running[name] = TipstreamProcess(name, environment=environment, output=log)

    yield start
    for process in running.values():
        process.terminate()
    for process in running.values():
        process.wait(20)
