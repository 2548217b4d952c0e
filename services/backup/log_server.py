"""A NATS server of one's own on a folder, for as long as a log is put into it."""

import asyncio
import fcntl
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from services.backup.errors import RestoreFailed
from services.bus.embedded import server_command, write_config
from services.bus.errors import BusUnavailable
from services.bus.jetstream import JetStreamBus
from services.orphans import end_with

START_S = 60.0
STOP_S = 60.0
LOOK_S = 0.05


@asynccontextmanager
async def log_server(home: Path) -> AsyncIterator[JetStreamBus]:
    """A bus on a server whose store is `home`/nats; ended, and its store written, with the context.

    Raises NatsServerMissing, RestoreFailed.
    """
    port = _free_port()
    # Whoever restores syncs all of it at the end; an fsync for each event would take a hundred times as long.
    config = write_config(home, port=port, fsync="interval")
    with _log_of(home).open("wb") as log:
        # The server inherits the lock with the file, and so holds it until it has ended, whatever becomes of us.
        fcntl.flock(log, fcntl.LOCK_EX)
        process = await asyncio.create_subprocess_exec(
            *server_command(config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=partial(end_with, os.getpid()),
            start_new_session=True,
        )
    try:
        try:
            bus = await JetStreamBus.connect(f"nats://127.0.0.1:{port}", name="tipstream restore", timeout=START_S)
        except BusUnavailable as problem:
            said = _log_of(home).read_text(errors="replace")[-500:]
            raise RestoreFailed(f"the NATS server does not come up ({problem}); it says:\n{said}") from problem
        try:
            yield bus
        finally:
            await bus.close()
    finally:
        await _end(process)
    config.unlink()


def wait_for_its_end(home: Path) -> None:
    """Return once a server that a killed process left behind on `home` has ended; RestoreFailed when it never does."""
    if not _log_of(home).exists():
        return
    deadline = time.monotonic() + STOP_S
    with _log_of(home).open("rb") as log:
        while True:
            try:
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(LOOK_S)
                    continue
                raise RestoreFailed(
                    f"the NATS server of a restore that was killed still runs on {home}; end it and restore again"
                ) from None
            return


def _log_of(home: Path) -> Path:
    return home / "nats-server.log"


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
