"""What outlives its limit is ended, in the last resort with the process, which then goes on at its checkpoint."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from projections.sql.watchdog import EXIT_STATUS, Watchdog
from tests.sql.conftest import DEADLINE, ROOT, Program
from tests.sql.messages import connect, prepare
from tests.sql.test_door import unchanged

LIMIT = 0.5
CROSS_JOIN = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = 7"
HEARING = {
    "cross join": CROSS_JOIN,
    "recursion": "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT max(i) FROM r",
    "sort": "SELECT * FROM range(3000000000) ORDER BY hash(range)",
    "aggregate": "SELECT list(range) FROM range(2000000000)",
}
DEAF = "SELECT levenshtein(repeat('a', 300000), repeat('b', 300000))"
GREEDY = "SELECT len(range(2000000000))"


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A process that hears interrupts, with little time and memory."""
    running = Program(tmp_path_factory.mktemp("bounded"), seconds=LIMIT, memory=256, spill=64, resident=2000)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A process that tests end and start again."""
    running = Program(tmp_path_factory.mktemp("mortal"), seconds=LIMIT, memory=256, resident=600)
    yield running
    running.stop()


@pytest.fixture
def doomed(mortal: Program) -> Program:
    """The same, running."""
    if mortal.process.poll() is not None:
        mortal.start()
    return mortal


@pytest.mark.parametrize(
    ("path", "name"), [*(("console", name) for name in HEARING), ("quack", "cross join"), ("quack", "aggregate")]
)
def test_a_runaway_is_stopped_and_writing_goes_on(bounded: Program, path: str, name: str) -> None:
    before = bounded.state()
    with bounded.attach() as client:
        started = time.monotonic()
        if path == "console":
            assert bounded.ask(HEARING[name])["error"] in {"SqlTimedOut", "SqlFailed"}
        else:
            with pytest.raises(duckdb.Error):
                client.execute(f"FROM tips.query($$ {HEARING[name]} $$)")
        assert time.monotonic() - started < LIMIT + 2
    after = bounded.state()
    assert unchanged(before, after)
    assert after["written"][0] > before["written"][0]
    assert bounded.process.poll() is None


def test_a_stopped_statement_is_told_as_such(bounded: Program) -> None:
    answer = bounded.ask(CROSS_JOIN + " -- told")
    assert answer["error"] == "SqlTimedOut"
    assert "limit of 0.5 s" in answer["message"]
    record = bounded.await_until(lambda: [record for record in bounded.records if "-- told" in record["sql"]])[0]
    assert record["outcome"] == "timed_out"
    assert LIMIT * 1e6 <= record["duration_us"] < (LIMIT + 2) * 1e6


def test_a_shorter_time_may_be_asked_for_and_no_longer_one(bounded: Program) -> None:
    for asked, most in ((0.2, 1.0), (60.0, LIMIT + 1)):
        started = time.monotonic()
        assert bounded.ask(CROSS_JOIN, timeout_s=asked)["error"] == "SqlTimedOut"
        assert time.monotonic() - started < most


def _over_console(program: Program, sql: str) -> None:
    answer = program.ask(sql)
    assert answer["error"] == "SqlTimedOut"
    assert "limit of 0.5 s" in answer["message"]


def _over_quack(program: Program, sql: str) -> None:
    with program.attach() as client:
        started = time.monotonic()
        with pytest.raises(duckdb.Error, match=r"limit of 0\.5 s"):
            client.execute(f"FROM tips.query($$ {sql} $$)")
        assert time.monotonic() - started < LIMIT + 2


def _from_a_client_that_dies(program: Program, sql: str) -> None:
    message = prepare(connect(program.port, "token-of-alice"), sql)
    with socket.create_connection(("localhost", program.port)) as connection:
        head = f"POST /quack HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(message)}\r\n\r\n"
        connection.sendall(head.encode() + message)


@pytest.mark.parametrize("send_it", [_over_console, _over_quack, _from_a_client_that_dies])
def test_a_statement_that_hears_no_interrupt_is_answered_and_ends_the_process(
    doomed: Program, send_it: Callable[[Program, str], None]
) -> None:
    before = doomed.state()
    send_it(doomed, DEAF)
    assert doomed.process.wait(LIMIT + 2) == EXIT_STATUS
    _goes_on(doomed, before, "outlived its limit")


def test_a_statement_that_comes_while_the_process_ends_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    watchdog, told = Watchdog(resident=0), list[str]()

    def last_words(_: float) -> None:
        with watchdog.watch(5.0, lambda: None, told.append):
            pass

    # In a process the moment is too short to be met for certain.
    monkeypatch.setattr("projections.sql.watchdog.time", SimpleNamespace(sleep=last_words, monotonic=time.monotonic))
    monkeypatch.setattr("projections.sql.watchdog.os", SimpleNamespace(_exit=sys.exit))
    with pytest.raises(SystemExit) as ended:
        watchdog.end("a statement outlived its limit")
    assert (ended.value.code, told) == (EXIT_STATUS, ["a statement outlived its limit"])


def test_a_statement_that_takes_memory_past_every_cap_ends_the_process(doomed: Program) -> None:
    doomed.stop()
    doomed.start(seconds=5.0)
    with doomed.attach() as client, pytest.raises(duckdb.Error):
        client.execute("FROM tips.query(?)", [GREEDY])
    assert doomed.process.wait(7) == EXIT_STATUS
    _was_told(doomed, "its memory passed 600 MiB")


def _was_told(program: Program, why: str) -> None:
    program.stop()
    last = program.records[-1]
    assert last["outcome"] == "ended"
    assert why in last["error"]
    assert last["actor"] in {"alice", "carol"}


def _goes_on(program: Program, before: dict[str, Any], why: str) -> None:
    _was_told(program, why)
    program.start()
    after = program.state()
    assert unchanged(before, after)
    end = time.monotonic() + DEADLINE  # with so short a limit a busy machine may need several tries
    while "rows" not in (answer := program.ask("SELECT count(*) FROM tip_scores")):
        assert time.monotonic() < end, answer
    assert answer["rows"] == [[20_000]]


def test_too_large_an_upload_by_a_stranger_ends_the_process_and_no_data(doomed: Program) -> None:
    before = doomed.state()
    megabyte = b"x" * (1 << 20)
    with socket.create_connection(("localhost", doomed.port)) as connection:
        connection.sendall(b"POST /quack HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8000000000\r\n\r\n")
        with suppress(OSError):
            for _ in range(8000):
                connection.sendall(megabyte)
    assert doomed.process.wait(5) == EXIT_STATUS
    doomed.stop()
    doomed.start()
    assert unchanged(before, doomed.state())


def test_the_kernel_ends_the_process_when_the_interpreter_is_held() -> None:
    holding = (
        "import re; from projections.sql.watchdog import Watchdog\n"
        "dog = Watchdog(resident=0); dog.start()\n"
        "with dog.watch(0.2, lambda: None, lambda why: None):\n"
        "    print('watched', flush=True); re.match(r'(a+)+$', 'a' * 60 + 'b')\n"
    )
    with subprocess.Popen([sys.executable, "-c", holding], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"watched\n"
        assert process.wait(0.2 + 2) == -14  # SIGALRM
