"""What a Quack client leaves behind is taken back: answers, sessions, more of either than a person may hold."""

import time
from collections.abc import Iterator

import duckdb
import pytest

from tests.sql.conftest import Program
from tests.sql.messages import connect, fetch, prepare, send

PATIENCE = 20.0


@pytest.fixture(scope="module")
def frugal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A process that holds little, and not for long."""
    running = Program(
        tmp_path_factory.mktemp("frugal"),
        held=40,
        held_seconds=0.5,
        quack_rows=6_000_000,
        sessions=2,
        session_seconds=2.0,
    )
    yield running
    assert running.stop() == 0


def test_an_answer_nobody_fetches_is_taken_back_and_a_silent_session_ends(frugal: Program) -> None:
    session = connect(frugal.port, "token-of-alice")
    prepared = send(frugal.port, prepare(session, "FROM range(3000000)"))
    assert b"range" in prepared
    assert frugal.state()["held"] > 20 << 20
    uuid = prepared[prepared.rindex(b"\x05\x00") + 2 : -2]

    end = time.monotonic() + PATIENCE
    while frugal.state()["held"] > 10 << 20:  # a little is the writer's own
        assert time.monotonic() < end
    assert b"closed" in send(frugal.port, fetch(session, uuid))
    while b"Invalid connection id" not in send(frugal.port, fetch(session, uuid)):
        assert time.monotonic() < end


def test_an_answer_too_large_to_hold_is_refused(frugal: Program) -> None:
    with frugal.attach() as client:
        with pytest.raises(duckdb.Error, match="takes more than 40 MiB"):
            client.execute("FROM tips.query('FROM range(5900000)')")
        with pytest.raises(duckdb.Error, match="more than 6000000 rows"):
            client.execute("FROM tips.query('FROM range(6000001)')")
        assert client.execute("SELECT count(*) FROM tips.tip_scores").fetchall() == [(20_000,)]


def test_the_longest_silent_sessions_of_a_person_give_way(frugal: Program) -> None:
    sessions = [connect(frugal.port, "token-of-alice") for _ in range(3)]
    other = connect(frugal.port, "token-of-bob")
    alive = [sessions[1], sessions[2], other]
    end = time.monotonic() + PATIENCE
    while b"Invalid connection id" not in send(frugal.port, fetch(sessions[0], b"\x00\x00")):
        assert time.monotonic() < end
        for session in alive:
            assert b"column" in send(frugal.port, prepare(session, "SELECT 1 AS column_one"))
