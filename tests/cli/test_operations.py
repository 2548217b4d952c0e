"""`tipstream replay`, `verify` and `sql`: what they print, and that every mistake is told in words."""

import csv
import io
import json
import time
from collections.abc import Callable

import pytest

from tests.cli.conftest import Cli
from tests.cli.test_events import last_seq, refused


@pytest.fixture
def query(cli: Cli, worker: Callable[[str], None]) -> None:
    """The query process, once it answers."""
    worker("query")
    deadline = time.monotonic() + 60
    while cli("sql", "SELECT 1").returncode:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay", "--projection", "postgres"], "--projection 'postgres' is none of sqlite, analytics, query, scorer"),
        (["replay", "--upto-time", "yesterday"], "--upto-time must be an RFC 3339 timestamp"),
        (["replay", "--upto-time", "2026-01-01T00:00:00"], "--upto-time needs a UTC offset"),
        (["replay", "--upto-time", "1990-01-01T00:00:00Z"], "--upto-time 1990-01-01T00:00:00Z: no log goes back"),
        (["replay", "--upto-seq", "9" * 22], "--upto-seq"),
        (["replay", "--upto-seq", "5", "--upto-time", "2026-01-01T00:00:00Z"], "upto_seq or upto_time, not both"),
        (["replay", "--user", ""], "--user"),
        (["replay", "--back", "--user", "ann"], "--back only takes --projection"),
        (["replay", "--upto-seq", "1000000"], "upto_seq 1000000 is past the log's end"),
        (["replay", "--dry-run", "--upto-time", "2001-01-01T00:00:00Z"], "no event was recorded by 2001"),
    ],
)
def test_a_bad_option_is_told_in_words_and_nothing_is_published(cli: Cli, arguments: list[str], said: str) -> None:
    before = last_seq(cli)
    assert said in refused(cli(*arguments))
    assert last_seq(cli) == before


@pytest.mark.parametrize("arguments", [["replay", "--upto-seq", "x"], ["tail", "--last", "-1"], ["nonsense"]])
def test_a_bad_usage_is_explained(cli: Cli, arguments: list[str]) -> None:
    done = cli(*arguments)
    assert done.returncode == 2
    assert "Usage: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command", [["verify"], ["tail"], ["publish", "tips.feedback.helpful.ann"], ["sql", "SELECT 1"]]
)
def test_a_bad_setting_names_its_variable(cli: Cli, command: list[str]) -> None:
    assert "TIPSTREAM_PORT: '99999' is no port" in refused(cli(*command, PORT="99999"))


def test_a_server_that_is_not_there_is_one_clear_line(cli: Cli) -> None:
    said = refused(cli("verify", NATS_URL="nats://127.0.0.1:9"))
    assert "no NATS server at nats://127.0.0.1:9" in said
    assert len(said.splitlines()) == 1


def test_a_dry_run_touches_nothing(cli: Cli) -> None:
    before = last_seq(cli)
    done = cli("replay", "--dry-run", "--projection", "scorer")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"would fold {before} events a projection; nothing has been touched",
        "scorer     not running: would be folded, and could not be compared or switched",
    ]
    assert last_seq(cli) == before


def test_with_nothing_running_nothing_is_proven(cli: Cli) -> None:
    done = cli("verify")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "NOT PROVEN"
    assert "scorer     not checked: nobody answers on tipstream.ctl.scorer" in done.stdout
    report = json.loads(cli("verify", "--json").stdout)
    assert (report["proven"], report["full"]) == (False, True)


def test_a_replay_is_shown_until_it_is_done(cli: Cli, worker: Callable[[str], None]) -> None:
    worker("replayer")
    done = cli("replay", "--projection", "sqlite", "--upto-seq", "10")
    assert done.returncode == 0, done.stdout + done.stderr
    first, last = done.stdout.splitlines()
    assert first.startswith("sqlite     v2 up to 10: nothing to compare with ")
    assert first.endswith("not switched; as it was: kept as a version of its own, not switched to")
    assert last.startswith("done: 10 events in ")


@pytest.mark.usefixtures("query")
class TestSql:
    """With the query process running."""

    def test_json_has_columns_and_rows(self, cli: Cli) -> None:
        answer = json.loads(cli("sql", "SELECT 1 AS one, NULL AS nothing, 'x' AS text", "--json").stdout)
        assert (answer["columns"], answer["rows"]) == (["one", "nothing", "text"], [[1, None, "x"]])
        assert answer["truncated"] is False

    def test_csv_is_quoted(self, cli: Cli) -> None:
        done = cli("sql", "SELECT 'a,b' AS \"first, one\", 2 AS two UNION ALL SELECT NULL, 3 ORDER BY two", "--csv")
        assert list(csv.reader(io.StringIO(done.stdout))) == [["first, one", "two"], ["a,b", "2"], ["", "3"]]

    def test_a_table_shows_values_as_they_are(self, cli: Cli) -> None:
        done = cli("sql", "SELECT '[/b] [red]x' AS \"[bold]name\", repeat('y', 300) AS long")
        assert done.returncode == 0, done.stderr
        assert "[/b] [red]x" in done.stdout
        assert "[bold]name" in done.stdout
        assert done.stdout.count("y") == 300
        assert "1 rows in " in done.stdout

    def test_what_is_not_a_select_is_refused(self, cli: Cli) -> None:
        assert "only SELECT is answered here" in refused(cli("sql", "DROP TABLE tip_scores"))
