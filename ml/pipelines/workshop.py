"""Where flows run: Prefect's API in this process, its database and all results under HOME/pipelines.

Prefect starts a second process for that by itself, which imports everything again and outlives a parent that is killed.
A `prefect server` named by PREFECT_API_URL is used instead of it.
"""

import gc
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from contracts.errors import TipstreamError
from services.settings import Settings

START_S = 120.0
LOOK_S = 0.05
API = "PREFECT_API_URL"


class WorkshopClosed(TipstreamError):
    """Prefect is not there, or its API did not start; the message says which and what to do."""


class NoRoom(TipstreamError):
    """The disk of HOME/pipelines is full, where Prefect's database and the results of steps lie; make room there."""


LEAST_ROOM = 16 * 1024**2
"""Bytes: whatever goes wrong with less left on that disk is for want of room."""


def environment(settings: Settings) -> dict[str, str]:
    """Prefect's settings: everything is kept under HOME, and nothing is told to anybody."""
    return {
        "PREFECT_HOME": str(settings.pipelines_dir / "prefect"),
        "PREFECT_LOCAL_STORAGE_PATH": str(settings.results_dir),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }


QUIET = {
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    # Nobody is there who could have an automation or a block, or watch what comes by.
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_EVENTS_STREAM_OUT_ENABLED": "false",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
}
"""Besides, where no server of somebody's own shows what runs: whoever waits reads our progress and our errors."""


@contextmanager
def importing() -> Iterator[None]:
    """Import what stays until the end: the collector would look through it again and again, a sixth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def workshop(settings: Settings) -> Iterator[None]:
    """Prefect ready for flows of this process. Enter before anything imports Prefect, which reads its settings then.

    Raises WorkshopClosed, NoRoom.
    """
    if find_spec("prefect") is None:
        raise WorkshopClosed("Prefect is not installed: `pip install 'tipstream[pipelines]'` brings it")
    settings.make_home()
    os.environ.update(environment(settings))
    with _room_told(settings.pipelines_dir):
        if os.environ.get(API):
            yield
        else:
            with _own_api():
                yield


@contextmanager
def _own_api() -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        os.environ.update(QUIET)
        os.environ[API] = f"http://127.0.0.1:{listening.getsockname()[1]}/api"
        with _serving(listening):
            yield


@contextmanager
def _room_told(folder: Path) -> Iterator[None]:
    """Prefect says of a full disk that its server is in trouble, or nothing. Raises NoRoom."""
    try:
        yield
    except Exception as error:
        in_words = isinstance(error, TipstreamError) and not isinstance(error, WorkshopClosed)
        free = shutil.disk_usage(folder).free
        if in_words or free >= LEAST_ROOM:
            raise
        said = f"the disk of {folder} has {free // 1024**2:,} MB left, which is too little; make room and run it again"
        raise NoRoom(said) from error


@contextmanager
def _serving(listening: socket.socket) -> Iterator[None]:
    with importing():
        import uvicorn
        from prefect.server.api.server import create_app

    server = uvicorn.Server(uvicorn.Config(create_app(ephemeral=True), log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="prefect", daemon=True)
    thread.start()
    deadline = time.monotonic() + START_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise WorkshopClosed(f"Prefect's API does not start; remove {os.environ['PREFECT_HOME']} and try again")
        time.sleep(LOOK_S)
    try:
        yield
    finally:
        _drain()
        server.should_exit = True
        thread.join(START_S)


def _drain() -> None:
    """What Prefect still has to say is said while somebody listens."""
    from prefect.events.worker import EventsWorker

    EventsWorker.drain_all(at_exit=False, timeout=10)
