"""`tipstream up` as its operator meets it: a second one, a busy port, Ctrl-C and kill -9."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.supervisor.children import PROCESSES
from tests.processes import alive
from tests.servers import free_port
from tests.system.running import RunningSystem

QUICKLY_S = 12.0
EVERYTHING = {"nats-server", *PROCESSES}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system to end and start."""
    running = RunningSystem(tmp_path_factory.mktemp("up") / "home", mlflow="on", as_a_program=True)
    running.start()
    yield running
    running.close()


def up(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "up"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def wait_gone(pids: dict[str, int]) -> float:
    """Wait until none of these processes is there; the seconds it took."""
    began = time.monotonic()
    while left := {name: pid for name, pid in pids.items() if alive(pid)}:
        assert time.monotonic() - began < QUICKLY_S, f"still there: {left}"
        time.sleep(0.02)
    return time.monotonic() - began


def test_a_second_one_on_the_same_home_says_who_runs(own: RunningSystem) -> None:
    said = up(own.environment)
    assert said.returncode == 1
    assert "another `tipstream up` (process " in said.stderr
    assert "TIPSTREAM_HOME" in said.stderr
    assert "Traceback" not in said.stderr
    own.wait_healthy()


def test_a_busy_port_names_its_variable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        names = ("PORT", "SCORER_PORT", "NATS_PORT", "QUACK_PORT", "MLFLOW_PORT")
        ports = {f"TIPSTREAM_{name}": str(free_port()) for name in names}
        ports["TIPSTREAM_SCORER_PORT"] = str(server.getsockname()[1])
        said = up({**os.environ, "TIPSTREAM_HOME": str(tmp_path / "home"), **ports})
    assert said.returncode == 1
    assert f"port {ports['TIPSTREAM_SCORER_PORT']} (TIPSTREAM_SCORER_PORT) cannot be used" in said.stderr
    assert "Traceback" not in said.stderr


def all_pids(own: RunningSystem) -> dict[str, int]:
    """The process ids once everything runs: MLflow may wait for the port of one that is still ending."""
    deadline = time.monotonic() + 60
    while (pids := own.pids()).keys() != EVERYTHING:
        assert time.monotonic() < deadline, pids
        time.sleep(0.05)
    return pids


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent is gone")
def test_kill_nine_leaves_no_process_behind_and_it_starts_again(own: RunningSystem) -> None:
    pids = all_pids(own)
    own.stop(signal.SIGKILL)
    wait_gone(pids)
    own.start()
    assert own.verify()["proven"]


def test_ctrl_c_ends_everything_within_seconds(own: RunningSystem) -> None:
    pids = all_pids(own)
    began = time.monotonic()
    own.stop()
    assert time.monotonic() - began < QUICKLY_S
    assert not any(alive(pid) for pid in pids.values())
    assert own.pids() == {}
    logs = own.logs()
    assert "Traceback" not in logs, logs


def test_ctrl_c_ends_a_start_that_looks_for_a_server(tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    environment = {
        **os.environ,
        "TIPSTREAM_HOME": str(tmp_path / "home"),
        "TIPSTREAM_NATS_URL": f"nats://me:pw@{nobody}",
    }
    names = ("PORT", "SCORER_PORT", "QUACK_PORT", "MLFLOW_PORT")
    environment |= {f"TIPSTREAM_{name}": str(free_port()) for name in names}
    command = [sys.executable, "-m", "services.cli", "up"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"looking for the NATS server at nats://{nobody},".encode())
        process.send_signal(signal.SIGINT)
        assert process.wait(QUICKLY_S) == 0
        assert b"Traceback" not in process.stdout.read()
