"""People's SQL on a live instance: it answers while rows are written, changes nothing, and all of it is told."""

import base64
import csv
import io
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet
import pytest

from tests.servers import free_port
from tests.sql.attacks import ATTACHED, REFUSED
from tests.sql.conftest import ROOT, Program, analyst
from tests.sql.messages import append, connect, send

REFUSALS = {"SqlRefused", "SqlFailed"}


def remote(client: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    """What the server answers to a text as it stands."""
    return client.execute("FROM tips.query(?)", [sql]).fetchall()


def unchanged(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Same tables and rows; of the writer's, each transaction whole."""
    rows, distinct, highest, checkpoint, checkpoints = after["written"]
    assert rows == distinct == highest == checkpoint
    assert checkpoints == 1
    assert after["errors"] == []
    assert rows >= before["written"][0]
    same: bool = before["digest"] == after["digest"]
    return same


def test_an_attached_client_reads_tables_and_views(client: duckdb.DuckDBPyConnection) -> None:
    assert client.execute("SELECT count(*) FROM tips.tip_scores").fetchall() == [(20_000,)]
    assert client.execute("SELECT seq, user_id FROM tips.tip_scores WHERE seq = 98").fetchall() == [(98, "user-1")]
    assert len(client.execute("FROM tips.reward_daily").fetchall()) == 97
    columns = [row[0] for row in client.execute("DESCRIBE tips.tip_scores").fetchall()]
    assert columns == ["seq", "user_id", "score"]
    tables = remote(client, "SHOW ALL TABLES")
    assert {row[2] for row in tables} == {"tip_scores", "feedback", "writes", "checkpoints", "reward_daily"}


def test_the_server_runs_what_is_sent_whole(client: duckdb.DuckDBPyConnection) -> None:
    joined = "SELECT count(*) FROM tip_scores JOIN feedback USING (seq)"
    assert remote(client, joined) == [(500,)]
    assert remote(client, "SELECT seq FROM tip_scores ORDER BY seq DESC LIMIT 2; -- last") == [(19_999,), (19_998,)]
    ordered = remote(client, "SELECT seq FROM tip_scores ORDER BY seq DESC")
    assert [row[0] for row in ordered] == list(range(19_999, -1, -1))
    assert ("tip_scores",) in remote(client, "SHOW TABLES")
    assert len(remote(client, "SUMMARIZE feedback")) == 2
    odd = "SELECT NULL, [1, NULL], {'a': 1}, MAP {1: 'x'}, 1.50::DECIMAL(4, 2), INTERVAL 1 DAY, 'é''\"' AS \"q\"\"\""
    assert remote(client, odd)[0][1] == [1, None]


def test_answers_are_live_while_writing_goes_on(program: Program, client: duckdb.DuckDBPyConnection) -> None:
    counts = [client.execute("SELECT count(*), max(seq) FROM tips.writes").fetchall()[0] for _ in range(10)]
    assert all(count == highest and count % 5 == 0 for count, highest in counts)
    assert counts == sorted(counts)
    last = counts[-1][0]
    program.await_until(lambda: True)
    while remote(client, "SELECT seq FROM checkpoints")[0][0] <= last:
        pass
    assert program.ask("SELECT count(*) FROM writes")["rows"][0][0] > last


def test_the_console_gets_an_answer_that_json_can_hold(program: Program) -> None:
    answer = program.ask(
        "SELECT 1 AS a, 2 AS a, 9007199254740993 AS big, 'nan'::DOUBLE AS odd, DATE '2020-01-02' AS d, "
        "TIMESTAMPTZ '2020-01-02 03:04:05+00' AS t, 1.50::DECIMAL(4, 2) AS m, 'ab'::BLOB AS b, MAP {1: 2} AS p, "
        "[{'x': NULL}] AS l, INTERVAL 90 SECOND AS i, gen_random_uuid() IS NOT NULL AS u"
    )
    assert answer["columns"][2:5] == ["big", "odd", "d"]
    assert answer["types"][:5] == ["INTEGER", "INTEGER", "BIGINT", "DOUBLE", "DATE"]
    row = answer["rows"][0]
    assert row[:6] == [1, 2, "9007199254740993", "nan", "2020-01-02", "2020-01-02T03:04:05Z"]
    assert row[6:] == ["1.50", "YWI=", [[1, 2]], [{"x": None}], "00:01:30", True]
    assert answer["cut"] is None
    assert answer["duration_us"] > 0


def test_a_long_answer_is_cut_and_says_why(program: Program) -> None:
    whole = program.ask("SELECT seq FROM tip_scores ORDER BY seq DESC")
    assert (len(whole["rows"]), whole["rows"][0]) == (10_000, [19_999])
    assert whole["cut"] == "only the first 10,000 rows were asked for"
    few = program.ask("SELECT seq FROM tip_scores", max_rows=3)
    assert (len(few["rows"]), few["cut"]) == (3, "only the first 3 rows were asked for")
    exact = program.ask("SELECT * FROM range(3)", max_rows=3)
    assert (len(exact["rows"]), exact["cut"]) == (3, None)
    assert len(program.ask("SELECT seq FROM tip_scores", max_rows=1_000_000)["rows"]) == 10_000
    wide = program.ask("SELECT repeat('x', 100000) FROM range(100)")
    assert wide["cut"] == "only 2 MiB are answered at once"
    assert len(wide["rows"]) == 20
    # Size is counted as JSON: each of these characters takes six bytes there.
    escaped = program.ask("SELECT repeat(chr(1), 100000) FROM range(100)")
    assert (len(escaped["rows"]), escaped["cut"]) == (3, wide["cut"])
    vast = program.ask("SELECT repeat('x', 4000000) UNION ALL SELECT 'y'")
    assert (len(vast["rows"]), vast["cut"]) == (1, wide["cut"])


ODD = (
    "SELECT 1 AS a, 2 AS a, 9007199254740993 AS big, DATE '2020-01-02' AS d, TIMESTAMP '2020-01-02 03:04:05' AS t, "
    "1.50::DECIMAL(4, 2) AS m, 'é\n\"' AS s, NULL::INTEGER AS n, [1, 2] AS l, "
    "{'x': 'y'} AS o, INTERVAL 90 SECOND AS i, "
    "[1, 2]::INTEGER[2] AS f, sum(3::BIGINT) AS h, union_value(k := 1) AS u"
)


def test_a_file_has_the_rows_with_their_true_types(program: Program) -> None:
    parquet = pyarrow.parquet.read_table(io.BytesIO(content(program.ask(ODD, form="parquet"))))
    kinds = {field.name: str(field.type) for field in parquet.schema}
    assert kinds == {
        "a": "int32", "a_1": "int32", "big": "int64", "d": "date32[day]", "t": "timestamp[us]",
        "m": "decimal128(4, 2)", "s": "string", "n": "int32", "l": "list<element: int32>", "o": "struct<x: string>",
        "i": "string", "f": "list<element: int32>", "h": "decimal128(38, 0)", "u": "string",
    }  # fmt: skip
    row = parquet.to_pylist()[0]
    assert (row["big"], row["l"], row["f"], row["i"], row["n"]) == (2**53 + 1, [1, 2], [1, 2], "00:01:30", None)

    lines = list(csv.reader(io.StringIO(content(program.ask(ODD, form="csv")).decode(), newline="")))
    assert lines[0] == ["a", "a_1", "big", "d", "t", "m", "s", "n", "l", "o", "i", "f", "h", "u"]
    assert lines[1][2:8] == ["9007199254740993", "2020-01-02", "2020-01-02T03:04:05", "1.50", 'é\n"', ""]
    needed = program.ask("SELECT 'linucb' AS policy, 'a,b' AS more, true AS yes", form="csv")
    assert content(needed) == b'policy,more,yes\r\nlinucb,"a,b",true\r\n'


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_is_bounded_like_every_answer(program: Program, form: str) -> None:
    def rows(answer: dict[str, Any]) -> int:
        if form == "csv":
            return len(content(answer).splitlines()) - 1
        return int(pyarrow.parquet.read_table(io.BytesIO(content(answer))).num_rows)

    whole = program.ask("SELECT * FROM tip_scores", form=form)
    assert rows(whole) == whole["rows"] == 10_000
    assert whole["cut"] == "only the first 10,000 rows were asked for"
    few = program.ask("SELECT * FROM tip_scores", form=form, max_rows=300)
    assert rows(few) == few["rows"] == 300
    wide = program.ask("SELECT repeat('x', 100000) FROM range(100)", form=form)
    assert 1 <= rows(wide) == wide["rows"] <= 20
    assert wide["cut"] == "only 2 MiB are answered at once"
    nothing = program.ask("SELECT seq FROM tip_scores WHERE false", form=form)
    assert (rows(nothing), nothing["cut"]) == (0, None)
    assert program.ask("DROP TABLE tip_scores", form=form)["error"] == "SqlRefused"
    slow = "SELECT repeat('x', 4000) || len(repeat('xy', 4000 + (range % 3000)::INTEGER)) FROM range(9000000000)"
    ended = program.ask(f"SELECT * FROM ({slow}) WHERE len(#1) % 977 = 0", form=form, timeout_s=0.3)
    assert ended["error"] == "SqlTimedOut"


def content(answer: dict[str, Any]) -> bytes:
    return base64.b64decode(answer["content"])


@pytest.mark.parametrize(
    ("sql", "at"),
    [
        ("SELECT seq,\n  nonsense FROM tip_scores", "nonsense"),
        ("SELECT 'éé', nonsense FROM tip_scores", "nonsense"),
        ("SELECT '日本', nonsense FROM tip_scores", "nonsense"),
        (f"SELECT {'1,' * 200} nonsense, {'2,' * 200} 3 FROM tip_scores", "nonsense"),
        ("SELECT 'é', nextval('numbers')", "nextval"),
        ("SELECT 1 FROM tip_scores t, read_csv('x')", "read_csv"),
        ("SELECT 'é' frm a b c", "a b c"),
        ("SELECT 1\nFROM nowhere", "nowhere"),
    ],
)
def test_an_error_says_its_place(program: Program, sql: str, at: str) -> None:
    answer = program.ask(sql)
    assert sql[answer["position"] :].startswith(at), answer
    if "LINE" in answer["message"]:
        assert f"LINE {sql[: answer['position']].count(chr(10)) + 1}: " in answer["message"]


def test_a_token_taken_back_closes_the_door_at_the_next_statement(program: Program) -> None:
    with program.attach("token-of-dan") as dan:
        assert remote(dan, "SELECT 1") == [(1,)]
        program.revoke("token-of-dan")
        with pytest.raises(duckdb.Error, match="no longer valid"):
            remote(dan, "SELECT 2 AS after_revoking")
        with pytest.raises(duckdb.Error):
            dan.execute("INSERT INTO tips.feedback VALUES (1, 'x')")
    told = program.await_until(lambda: [one for one in program.records if "after_revoking" in one["sql"]])
    assert (told[0]["actor"], told[0]["outcome"]) == ("dan", "refused")
    with pytest.raises(duckdb.Error, match="Authentication failed"):
        program.attach("token-of-dan")


@pytest.mark.parametrize("path", ["console", "query", "quack_query"])
def test_attacks_are_refused_and_change_nothing(program: Program, path: str) -> None:
    before = program.state()
    taken = []
    with program.attach() as client:
        for sql in REFUSED:
            if path == "console":
                refused = program.ask(sql).get("error") in REFUSALS
            else:
                refused = not _answered(client, program.port, sql, path)
            taken += [] if refused else [sql]
    assert taken == []
    assert unchanged(before, program.state())


def _answered(client: duckdb.DuckDBPyConnection, port: int, sql: str, path: str) -> bool:
    try:
        if path == "query":
            remote(client, sql)
        else:
            uri = f"quack:localhost:{port}"
            client.execute("FROM quack_query(?, ?, token := 'token-of-bob')", [uri, sql]).fetchall()
    except duckdb.Error:
        return False
    return True


def test_a_client_cannot_write_through_what_it_attached(program: Program, tmp_path: Path) -> None:
    csv = tmp_path / "rows.csv"
    csv.write_text("1,x\n2,y\n")
    before = program.state()
    taken = []
    for sql in ATTACHED:
        with program.attach() as client:
            try:
                client.execute(sql.replace("{csv}", str(csv)))
                taken.append(sql)
            except duckdb.Error:
                pass
    assert taken == []
    assert unchanged(before, program.state())


def test_a_client_that_sends_its_own_messages_cannot_write(program: Program) -> None:
    with analyst() as naive:  # the message is a true one: a server that asks nobody takes it
        port = free_port()
        naive.execute("CREATE TABLE feedback (seq BIGINT, action VARCHAR)")
        naive.execute("CALL quack_serve(?, token := 'token')", [f"quack:localhost:{port}"])
        send(port, append(connect(port, "token")))
        assert naive.execute("FROM feedback").fetchall() == [(1, "loot")]
        naive.execute("CALL quack_stop(?)", [f"quack:localhost:{port}"])

    before = program.state()
    session = connect(program.port, "token-of-alice")
    message = append(session)
    assert b"Authorization failed" in send(program.port, message)
    assert b"Invalid connection id" in send(program.port, append("0" * 32))
    for kind in (0, 2, 4, 5, 6, 8, 10, *range(12, 40)):
        assert b"Unsupported message type" in send(program.port, bytes([1, 0, kind]) + message[3:])
    assert unchanged(before, program.state())


def test_an_unknown_token_is_refused_and_told(program: Program) -> None:
    for token in ("token-of-mallory", "token-of-alice ", "TOKEN-OF-ALICE"):
        with pytest.raises(duckdb.Error, match="Authentication failed"):
            program.attach(token)
    with analyst() as client, pytest.raises(duckdb.Error, match="token"):
        client.execute(f"ATTACH 'quack:localhost:{program.port}' AS tips")
    told = program.await_until(lambda: [record for record in program.records if record["actor"] == "unknown"])
    assert told[0]["outcome"] == "refused"
    assert "token-of" not in str(told)


def test_every_statement_is_told_with_its_person(program: Program) -> None:
    def told(mark: str) -> dict[str, Any]:
        found = program.await_until(lambda: [record for record in program.records if mark in record["sql"]])
        assert len(found) == 1
        record: dict[str, Any] = found[0]
        assert record["started_us"] > 0
        assert record["duration_us"] >= 0
        return record

    with program.attach("token-of-alice") as alice, program.attach("token-of-bob") as bob:
        remote(alice, "SELECT seq AS of_alice FROM tip_scores LIMIT 7")
        remote(bob, "SELECT 1 AS of_bob")
        for sql in ("SELECT nonsense AS failing", "DROP TABLE tip_scores -- refused"):
            with pytest.raises(duckdb.Error):
                remote(bob, sql)
        with pytest.raises(duckdb.Error):
            bob.execute("INSERT INTO tips.feedback VALUES (1, 'x')")
    program.ask("SELECT 1 AS of_carol")

    one = told("of_alice")
    assert (one["actor"], one["door"], one["rows"], one["outcome"]) == ("alice", "quack", 7, "ok")
    assert told("of_bob")["actor"] == "bob"
    failing = told("failing")
    assert (failing["actor"], failing["outcome"], failing["rows"]) == ("bob", "failed", None)
    assert "nonsense" in failing["error"]
    assert told("-- refused")["outcome"] == "refused"
    appended = [record for record in program.records if record["sql"].startswith("INSERT INTO main.feedback")]
    assert [(record["actor"], record["outcome"]) for record in appended[-1:]] == [("bob", "refused")]
    carol = told("of_carol")
    assert (carol["actor"], carol["door"]) == ("carol", "console")


def test_errors_reach_the_client_in_words(program: Program, client: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.Error, match="only SELECT is answered here"):
        remote(client, "DELETE FROM tip_scores")
    with pytest.raises(duckdb.Error, match='column "it\'s" not found'):
        remote(client, 'SELECT "it\'s" FROM tip_scores')
    answer = program.ask("SELECT nonsense FROM tip_scores")
    assert answer["error"] == "SqlFailed"
    assert "nonsense" in answer["message"]


def test_a_taken_port_is_said_so(program: Program, tmp_path: Path) -> None:
    arguments = [str(tmp_path / "query.duckdb"), str(program.port), "{}"]
    command = [sys.executable, "-m", "tests.sql.program", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert f"SqlDoorError: port {program.port} is taken" in ended.stderr


def test_many_clients_are_served_at_once(program: Program) -> None:
    found: list[tuple[Any, ...]] = []

    def count() -> None:
        with program.attach() as client:
            found.extend(client.execute("SELECT count(*) FROM tips.tip_scores").fetchall()[0] for _ in range(3))

    threads = [threading.Thread(target=count) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(20_000,)] * 36
