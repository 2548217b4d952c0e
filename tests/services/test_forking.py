"""The fork server: a fork is the command that was asked for, and neither it nor the server outlives who asked."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.forking.client import LOST, Forked, ForkServer
from tests.processes import alive, forks, run_tipstream
from tests.servers import free_port
from tests.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def waiting(tmp_path: Path) -> dict[str, str]:
    """The environment of a `tipstream projector` that waits for a NATS server for ever."""
    home, nobody = str(tmp_path / "home"), f"nats://127.0.0.1:{free_port()}"
    return {**os.environ, "TIPSTREAM_HOME": home, "TIPSTREAM_NATS_URL": nobody}


@pytest.fixture
def own() -> Iterator[ForkServer]:
    """A server of the test's own, which imports nothing: its forks do."""
    server = ForkServer(os.environ, ())
    yield server
    server.close()


async def fork(server: ForkServer, environment: dict[str, str]) -> Forked:
    with open(os.devnull, "r+b") as nothing:  # noqa: ASYNC230
        return await server.fork(["projector"], environment, (nothing.fileno(),) * 3)


def parent(pid: int) -> int:
    """Whose child it is."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def threads(pid: int) -> list[str]:
    """The names of its threads."""
    return sorted(path.read_text().strip() for path in Path(f"/proc/{pid}/task").glob("*/comm"))


def test_a_fork_has_its_own_arguments_environment_and_streams(tmp_path: Path) -> None:
    environment = {**os.environ, "TIPSTREAM_HOME": str(tmp_path), "TIPSTREAM_PORT": "many"}
    done = run_tipstream("features", "list", environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "wellbeing.v1" in done.stdout
    refused = run_tipstream("tail", environment=environment)
    assert refused.returncode == 1
    assert "TIPSTREAM_PORT" in refused.stderr
    assert run_tipstream("no-such-command", environment=environment).returncode == 2


async def test_it_shows_as_the_command_that_would_start_it_alone(waiting: dict[str, str]) -> None:
    process = await fork(forks, waiting)
    command = f"{sys.executable} -m services.cli projector"
    await until(lambda: Path(f"/proc/{process.pid}/cmdline").read_text().replace("\0", " ").strip() == command)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()


async def test_how_it_ended_is_told(waiting: dict[str, str]) -> None:
    process = await fork(forks, waiting)
    assert process.returncode is None
    os.kill(process.pid, signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL == process.returncode


async def test_it_ends_with_who_asked_for_it(waiting: dict[str, str]) -> None:
    with open(os.devnull, "r+b") as nothing:  # noqa: ASYNC230
        channel = forks.ask(["projector"], waiting, (nothing.fileno(),) * 3)
    pid = int(channel.recv(100))
    assert alive(pid)
    channel.close()
    await until(lambda: not alive(pid))


async def test_a_killed_server_takes_its_forks_along_and_the_next_has_another(
    own: ForkServer, waiting: dict[str, str]
) -> None:
    process = await fork(own, waiting)
    server = parent(process.pid)
    os.kill(server, signal.SIGKILL)
    assert await process.wait() == LOST
    await until(lambda: not alive(process.pid))
    await until(lambda: not alive(server))
    another = await fork(own, waiting)
    assert another.returncode is None
    own.close()
    await another.wait()
    await until(lambda: not alive(another.pid))


async def test_no_thread_is_there_that_a_fork_would_miss(waiting: dict[str, str]) -> None:
    process = await fork(forks, waiting)
    server = parent(process.pid)
    # Arrow's allocator starts its own anew in a fork; those of OpenBLAS ended before it.
    assert threads(server) == ["jemalloc_bg_thd", "tipstream fork"]
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
