"""An analyst's own DuckDB attached to a running system: live answers, no writes, and runaways that end."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import duckdb
import httpx
import pytest

from tests.sql.conftest import analyst
from tests.system.running import KEY, RunningSystem

LIMIT_S = 5.0
SLACK_S = 2.0
DEAF = "SELECT levenshtein(repeat('a', 300000), repeat('b', 300000)) AS runaway"
WRITES = [
    "INSERT INTO tips.signals SELECT * FROM tips.signals",
    "DELETE FROM tips.tip_scores",
    "UPDATE tips.tip_scores SET reward = 1",
    "DROP TABLE tips.tip_scores",
    "CREATE TABLE tips.mine (a INTEGER)",
    "FROM tips.query('SELECT 1; DROP TABLE tip_scores')",
    "FROM tips.query('COPY tip_scores TO ''/tmp/stolen.csv''')",
]


@pytest.fixture(scope="module")
def token(system: RunningSystem) -> str:
    """The key of an analyst."""
    account = {"name": "ada", "password": "long enough a word", "role": "analyst"}
    assert system.admin.post("/api/admin/accounts", json=account).is_success
    return make_key(system)["token"]


def make_key(system: RunningSystem) -> dict[str, str]:
    made = system.admin.post("/api/admin/keys", json={"label": "notebook", "name": "ada", "scopes": ["sql"]})
    assert made.is_success, made.text
    said: dict[str, str] = made.json()
    return said


@pytest.fixture
def client(system: RunningSystem, token: str) -> Iterator[duckdb.DuckDBPyConnection]:
    with attach(system, token) as attached:
        yield attached


def attach(system: RunningSystem, token: str) -> duckdb.DuckDBPyConnection:
    client = analyst()
    client.execute(f"ATTACH 'quack:localhost:{system.ports['QUACK_PORT']}' AS tips (TOKEN '{token}')")
    return client


def signals(client: duckdb.DuckDBPyConnection) -> int:
    found = client.execute("SELECT count(*) FROM tips.signals WHERE user_id = 'quack-live'").fetchone()
    assert found is not None
    return int(found[0])


def test_a_select_answers_live_while_events_flow(system: RunningSystem, client: duckdb.DuckDBPyConnection) -> None:
    stop = threading.Event()

    def produce() -> None:
        with httpx.Client(base_url=system.api.base_url, headers=system.api.headers, timeout=20) as http:
            while not stop.is_set():
                body = {"user_id": "quack-live", "source": "phone", "values": {"steps": 1.0}}
                assert http.post("/v1/signals", json=body).status_code == 202

    producer = threading.Thread(target=produce)
    producer.start()
    try:
        seen, deadline = {signals(client)}, time.monotonic() + 30
        while len(seen) < 4:
            assert time.monotonic() < deadline, seen
            seen.add(signals(client))
    finally:
        stop.set()
        producer.join()
    assert max(seen) > 0


@pytest.mark.parametrize("statement", WRITES)
def test_a_write_in_any_spelling_is_refused(client: duckdb.DuckDBPyConnection, statement: str) -> None:
    before = client.execute("SELECT count(*) FROM tips.tip_scores").fetchone()
    with pytest.raises(duckdb.Error):
        client.execute(statement)
    assert client.execute("SELECT count(*) FROM tips.tip_scores").fetchone() == before


@pytest.mark.parametrize("stranger", ["guessed", KEY])
def test_a_stranger_and_the_producers_key_are_not_let_in(system: RunningSystem, stranger: str) -> None:
    with pytest.raises(duckdb.Error), attach(system, stranger) as client:
        signals(client)


def test_a_key_taken_back_closes_the_door(system: RunningSystem, client: duckdb.DuckDBPyConnection) -> None:
    made = make_key(system)
    with attach(system, made["token"]) as second:
        signals(second)
        assert system.admin.delete(f"/api/admin/keys/{made['key_id']}").is_success
        with pytest.raises(duckdb.Error, match="no longer valid"):
            signals(second)
    with pytest.raises(duckdb.Error, match="Authentication failed"):
        attach(system, made["token"])
    signals(client)


@pytest.mark.timeout(180)
def test_a_runaway_is_ended_and_the_process_is_back_with_equal_digests(
    system: RunningSystem, client: duckdb.DuckDBPyConnection, token: str
) -> None:
    system.wait_folded()
    first = system.pid("query")
    began = time.monotonic()
    with pytest.raises(duckdb.Error, match="stopped at its limit of 5 s"):
        client.execute(f"FROM tips.query($$ {DEAF} $$)")
    assert time.monotonic() - began < LIMIT_S + SLACK_S
    while system.pid("query") == first:
        assert time.monotonic() - began < LIMIT_S + SLACK_S, "it outlived its limit"
        time.sleep(0.02)
    while system.pid("query") is None:
        assert time.monotonic() - began < 60, "the supervisor did not start it again"
        time.sleep(0.05)
    system.wait_healthy()
    system.wait_folded()
    with attach(system, token) as again:
        assert again.execute("SELECT count(*) > 0 FROM tips.tip_scores").fetchone() is not None
    (ended,) = actions(system, "runaway", 1)
    assert ended["outcome"] == "ended"
    assert LIMIT_S <= ended["duration_us"] / 1e6 < LIMIT_S + SLACK_S
    report = system.verify()
    assert report["proven"], report


def test_what_was_asked_stands_among_the_admins_actions(
    system: RunningSystem, client: duckdb.DuckDBPyConnection
) -> None:
    client.execute("FROM tips.query('SELECT 4711 AS asked')").fetchall()
    with pytest.raises(duckdb.Error):
        client.execute("FROM tips.query('DROP TABLE tip_scores -- 4711')")
    asked = actions(system, "4711", 2)
    assert [(one["actor"], one["outcome"], one["door"]) for one in asked] == [
        ("ada", "ok", "quack"),
        ("ada", "refused", "quack"),
    ]


def actions(system: RunningSystem, word: str, count: int) -> list[dict[str, Any]]:
    """The statements with a word in them among the admins' actions, once there are so many."""
    path = next((system.home / "read_models").glob("sqlite-v*.sqlite"))
    query = "SELECT actor, body FROM admin_actions WHERE type LIKE 'tipstream.sql.executed%' ORDER BY seq"
    deadline = time.monotonic() + 20
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        while True:
            found = [{"actor": actor, **json.loads(body)} for actor, body in connection.execute(query)]
            if len(wanted := [one for one in found if word in one["sql"]]) >= count:
                return wanted
            assert time.monotonic() < deadline, found[-5:]
            time.sleep(0.05)
