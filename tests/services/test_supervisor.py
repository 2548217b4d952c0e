"""One process kept alive, and what is checked before anything is started."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.bus.embedded import write_config
from services.durable import NotWritten
from services.forking.start import program
from services.settings import Settings
from services.supervisor import children, room
from services.supervisor.children import Child
from services.supervisor.figures import summary
from services.supervisor.ports import AlreadyRunning, PortTaken, check_ports, claim_home
from tests.room import room_for
from tests.servers import free_port
from tests.waiting import until

FOREVER = "import time; time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"

Keep = Callable[..., Any]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Keeps `python -c code` (or an argv) alive for a block; gives the child and what it told."""

    @asynccontextmanager
    async def keeping(code: str, *, argv: list[str] | None = None) -> AsyncIterator[tuple[Child, list[str]]]:
        told: list[str] = []
        command = argv or [sys.executable, "-c", code]
        start = program(command, os.environ)
        child = Child("one", start, tmp_path / "one.log", tmp_path / "one.pid", told.append)
        child.start()
        try:
            yield child, told
        finally:
            await child.stop()

    return keeping


def gone(pid: int) -> bool:
    """Whether no process has this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_what_dies_is_started_again_with_growing_pauses(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(children, "LONGEST_PAUSE_S", 0.3)
    async with keep("", argv=["sh", "-c", "echo here; exit 3"]) as (child, told):
        await until(lambda: len(told) >= 4)
        assert child.restarts >= 4
    assert [line.split(";")[0] for line in told[:4]] == ["one ended with status 3"] * 4
    assert [line.split("again in ")[1].split()[0] for line in told[:4]] == ["0.1", "0.2", "0.3", "0.3"]
    assert child.log.read_text().startswith("here\nhere\n")


async def test_what_ran_for_a_while_is_started_again_at_once(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(children, "STEADY_S", 0.1)
    async with keep("", argv=["sh", "-c", "sleep 0.2; exit 3"]) as (_, told):
        await until(lambda: len(told) >= 3)
    assert [line.split("again in ")[1].split()[0] for line in told[:3]] == ["0.1", "0.1", "0.1"]


async def test_a_crash_is_told_by_its_signal(keep: Keep) -> None:
    async with keep(FOREVER) as (child, told):
        await until(lambda: child.pid_file.exists() and child.pid_file.read_text() != "")
        first = int(child.pid_file.read_text())
        os.kill(first, signal.SIGKILL)
        await until(lambda: bool(told))
        assert told[0].startswith("one ended with signal SIGKILL; starting it again in ")
        await until(lambda: child.running and child.process is not None and child.process.pid != first)


async def test_stop_ends_it_for_good(keep: Keep) -> None:
    async with keep(FOREVER) as (child, told):
        await until(lambda: child.running)
        assert child.process is not None
        pid = child.process.pid
    assert gone(pid)
    assert told == []
    assert not child.pid_file.exists()


async def test_stop_ends_what_does_not_listen(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "STOP_S", 0.2)
    async with keep(DEAF) as (child, _):
        await until(lambda: child.log.exists() and "deaf" in child.log.read_text())
        assert child.process is not None
    assert child.process.returncode == -signal.SIGKILL


async def test_what_cannot_be_started_is_tried_again(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "FIRST_PAUSE_S", 0.01)
    async with keep("", argv=["/no/such/program"]) as (_, told):
        await until(lambda: len(told) >= 2)
    assert told[0].startswith("one did not start: ")
    assert "No such file" in told[0]


async def test_it_can_be_stopped_while_it_pauses(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "FIRST_PAUSE_S", 60.0)
    monkeypatch.setattr(children, "LONGEST_PAUSE_S", 60.0)
    async with keep("") as (_, told):
        await until(lambda: len(told) == 1)
    assert len(told) == 1


async def test_a_server_whose_disk_was_full_is_started_again_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LOOK_S", 0.01)
    log, roomy, looked, renewed = tmp_path / "nats.log", False, 0, 0
    log.write_text("[ERR] write 1.blk: no space left on device\n")

    def has_room(_: Path) -> bool:
        nonlocal looked
        looked += 1
        return roomy

    def renew() -> None:
        nonlocal renewed
        renewed += 1

    monkeypatch.setattr(room, "_has_room", has_room)
    watching = asyncio.create_task(room.renew_after_a_full_disk(log, tmp_path, renew))
    await asyncio.sleep(0.1)
    assert looked == 0, "what an earlier server said is over"
    with log.open("a") as file:
        file.write("[ERR] write 3.blk: no space left on device\n")
    await until(lambda: looked > 3)
    assert renewed == 0
    roomy = True
    await until(lambda: renewed == 1)
    await asyncio.sleep(0.1)
    assert renewed == 1
    watching.cancel()


async def test_what_is_renewed_is_another_process(keep: Keep) -> None:
    async with keep(FOREVER) as (child, _):
        await until(lambda: child.running)
        first = child.process
        child.renew()
        await until(lambda: child.running and child.process is not first)


def settings_of(home: Path, **given: Any) -> Settings:
    ports = {name: free_port() for name in ("port", "scorer_port", "mlflow_port", "nats_port", "quack_port")}
    settings = Settings(home=home, **{**ports, **given})
    settings.make_home()
    return settings


def test_one_home_has_one_supervisor(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "home")
    held = claim_home(settings)
    with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}.*TIPSTREAM_HOME"):
        claim_home(settings)
    held.close()
    claim_home(settings).close()


def test_a_home_without_room_is_named_and_what_nats_server_reads_stays(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    settings.make_home()
    config = write_config(settings.home, port=4222, fsync="always")
    before = config.read_bytes()
    with room_for(0):
        with pytest.raises(NotWritten, match=f"{settings.run_dir}/up.lock: cannot be written"):
            claim_home(settings)
        with pytest.raises(NotWritten, match=f"{config}: cannot be written"):
            write_config(settings.home, port=4333, fsync="always")
    assert config.read_bytes() == before
    claim_home(settings).close()


@pytest.mark.parametrize("name", ["port", "scorer_port", "mlflow_port", "nats_port", "quack_port"])
def test_a_port_in_use_names_its_variable(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        settings = settings_of(tmp_path / "home", **{name: taken})
        with pytest.raises(PortTaken, match=rf"port {taken} \(TIPSTREAM_{name.upper()}\) cannot be used"):
            check_ports(settings)
    check_ports(settings)


def test_the_port_of_a_server_elsewhere_is_not_ours_to_check(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        check_ports(settings_of(tmp_path / "home", nats_port=taken, nats_url="nats://127.0.0.1:4222"))


def test_the_port_of_mlflow_is_not_asked_for_when_it_is_switched_off(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        check_ports(settings_of(tmp_path / "home", mlflow_port=taken, mlflow="off"))


@pytest.mark.parametrize("host", ["no.host.invalid", "a b", "8.8.8.8"])
def test_a_host_that_is_not_this_machine_s_is_named(tmp_path: Path, host: str) -> None:
    with pytest.raises(PortTaken, match=f"^TIPSTREAM_HOST '?{host}'? is no address"):
        check_ports(settings_of(tmp_path / "home", host=host))


def test_the_line_of_figures_says_what_is_not_up() -> None:
    health = {
        "status": "degraded",
        "components": {
            "projector": {"state": "up", "seq": 1200, "lag_events": 5},
            "scorer": {"state": "down"},
            "api": {"state": "up"},
        },
    }
    assert summary(health) == "degraded · 1,200 events · lag projector 5 · scorer down"
    assert summary({}) == "unknown · 0 events · lag 0"
