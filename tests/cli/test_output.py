"""Whatever a terminal lacks, and wherever the output goes: a command says what is wrong in one line."""

import io
import json
import sys
from collections.abc import Iterator
from typing import TextIO

import pytest

from services.cli.app import main
from tests.cli.conftest import Cli
from tests.cli.test_events import last_seq, refused
from tests.servers import NatsServer


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch, server: NatsServer) -> Iterator[list[TextIO]]:
    """Standard outputs to put a test's own in; closed after it."""
    monkeypatch.setenv("TIPSTREAM_HOME", str(server.home))
    monkeypatch.setenv("TIPSTREAM_NATS_URL", server.url)
    opened: list[TextIO] = []
    yield opened
    for stream in opened:
        stream.close()


def run(monkeypatch: pytest.MonkeyPatch, output: TextIO, *arguments: str) -> int:
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(sys, "argv", ["tipstream", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ["publish", "tips.feedback.helpful.z", "{}", "--id", "\udcff"],
        ["publish", "tips.feedback.helpful.\udcff"],
        ["publish", "tips.feedback.helpful.z", '{"a": "\udcff"}'],
        ["sql", "SELECT '\udcff'"],
        ["tail", "tips.\udcff", "--no-follow"],
        ["replay", "--user", "\udcff"],
    ],
)
def test_an_argument_that_is_no_utf_8_is_refused(cli: Cli, arguments: list[str]) -> None:
    before = last_seq(cli)
    said = refused(cli(*arguments))
    assert "is no UTF-8 text" in said
    assert len(said.splitlines()) == 1
    assert last_seq(cli) == before


def test_an_argument_is_utf_8_whatever_the_locale_says(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.cli.arguments.fsencode", lambda text: text.encode("ascii", "surrogateescape"))
    typed = "\N{WOMAN}\u00fc".encode().decode("ascii", "surrogateescape")
    done = cli("publish", "tips.feedback.helpful.z", json.dumps({}), "--id", typed)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["event_id"] == "\N{WOMAN}\u00fc"


def test_what_the_terminal_lacks_is_escaped_and_json_stays_exact(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, streams: list[TextIO]
) -> None:
    assert cli("publish", "tips.feedback.helpful.z", "{}", "--id", "\N{WOMAN}\u00fc").returncode == 0
    raw = io.BytesIO()
    streams.append(io.TextIOWrapper(raw, encoding="ascii"))
    assert run(monkeypatch, streams[0], "tail", "--last", "1", "--no-follow") == 0
    assert run(monkeypatch, streams[0], "publish", "tips.feedback.helpful.z", "{}", "--id", "\N{WOMAN}\u00fc") == 0
    _, told = raw.getvalue().splitlines()
    assert b"\\ud83d\\udc69\\u00fc" in told
    assert json.loads(told)["event_id"] == "\N{WOMAN}\u00fc"


def test_tail_and_errors_drive_no_terminal_and_json_stays_exact(cli: Cli) -> None:
    driving = "\x1b[31m\x7f\x9b2J\u202e"
    body = json.dumps({"tip_id": driving}, ensure_ascii=False)
    assert cli("publish", "tips.feedback.helpful.z", body, "--id", driving).returncode == 0
    done = cli("tail", "--last", "1", "--no-follow")
    assert r"\u001b[31m\u007f\u009b2J\u202e" in done.stdout
    assert not set(driving) & set(done.stdout) - set("[31m2J")
    assert json.loads(done.stdout)["body"] == {"tip_id": driving}
    assert "\x9b" not in refused(cli("tail", "tips.\x9b2J.", "--no-follow"))


@pytest.mark.parametrize("arguments", [["tail", "--last", "1", "--no-follow"], ["features", "list"]])
def test_an_output_without_room_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], streams: list[TextIO], arguments: list[str]
) -> None:
    streams.append(open("/dev/full", "w"))  # noqa: SIM115
    assert run(monkeypatch, streams[0], *arguments) == 1
    [said] = capfd.readouterr().err.splitlines()
    assert said == "tipstream: the output cannot be written (No space left on device); make room, or send it elsewhere"
