"""`tipstream export`: to a file or a pipe, into another installation, and what it says when it cannot."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.subjects import encode_id
from services.cli import exporting
from services.exporting.export import export_events
from tests.cli.conftest import Cli, begun
from tests.servers import NatsServer, free_port

UNUSUAL = ("Zoë 🌱", "line\nbreak", "a.b*>", "\x07bell\x9b", "'; DROP", "\u202eturned")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[NatsServer]:
    """Another installation, whose log has just begun."""
    home = tmp_path / "elsewhere"
    home.mkdir()
    with begun(home) as running:
        yield running


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that ended with an error said, below a bar where it had begun to read."""
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    return done.stderr


def printed(cli: Cli, *arguments: str, **variables: str) -> list[dict[str, Any]]:
    done = cli("export", "-", *arguments, **variables)
    assert done.returncode == 0, done.stderr
    assert "standard output: " in done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_log_moves_to_another_installation(cli: Cli, elsewhere: NatsServer, tmp_path: Path) -> None:
    for user in UNUSUAL:
        body = json.dumps({"user_id": user, "source": "phone", "values": {"steps": 0.1}, "event_id": f"of {user}"})
        subject = f"tips.signal.phone.{encode_id(user)}"
        assert cli("publish", subject, body).returncode == 0
    path = tmp_path / "log [1].jsonl.gz"
    done = cli("export", str(path), "--unsigned")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{path}: {len(UNUSUAL)} events, sequences ")
    assert done.stdout.endswith(" signed\n")
    there = {"HOME": str(elsewhere.home), "NATS_URL": elsewhere.url}
    came = cli("import", str(path), "--format", "jsonl", **there)
    assert came.returncode == 0, came.stderr
    assert f"{len(UNUSUAL)} added, 0 there already, 0 refused" in came.stdout
    before = printed(cli, "--unsigned")
    assert printed(cli, "--unsigned", **there) == before
    assert {line["data"]["user_id"] for line in before} == set(UNUSUAL)

    mixed = tmp_path / "mixed.jsonl"
    assert cli("export", str(mixed)).returncode == 0
    again = cli("import", str(mixed), "--format", "jsonl", **there)
    assert again.returncode == 1
    assert f"0 added, {len(UNUSUAL)} there already" in again.stdout
    assert "line 1: tipstream.stream.started must be signed by this installation" in again.stdout


def test_one_person_s_events(cli: Cli) -> None:
    for user in ("sar", "other"):
        assert cli("publish", f"tips.feedback.helpful.{user}").returncode == 0
    [line] = printed(cli, "--user", "sar")
    assert line["subject"] == "tips.feedback.helpful.sar"


def test_no_event_drives_a_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("publish", "tips.feedback.helpful.driver", "{}", "--id", "\x9b2J\u202e").returncode == 0
    piped = cli("export", "-", "--user", "driver").stdout
    assert "\x9b2J\u202e" in piped
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown = cli("export", "-", "--user", "driver").stdout
    assert "\\u009b2J\\u202e" in shown
    assert json.loads(shown) == json.loads(piped)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["log.csv"], "in which format?"),
        (["-", "--format", "parquet"], "a Parquet file is not printed"),
        (["absent/log.jsonl"], "there is no folder absent"),
        (["log.jsonl", "--from-seq", "9", "--upto-seq", "8"], "nothing lies from sequence 9 up to 8"),
        (["log.jsonl", "--from-seq", "99999999"], "sequence 99999999 is beyond the log, which ends at"),
        (["log.jsonl", "--subject", "tips..x"], "is no subject pattern"),
        (["log.jsonl", "--user", ""], "an id must not be empty"),
        (["there.jsonl"], "there.jsonl: is there already"),
        (["."], ".: in which format?"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.jsonl").write_text("mine")
    assert said in refused(cli("export", *arguments))
    assert os.listdir() == ["there.jsonl"]
    assert Path("there.jsonl").read_text() == "mine"


def test_without_a_server_nothing_is_left(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "CONNECT_S", 0.1)
    refused(cli("export", str(tmp_path / "log.jsonl"), NATS_URL=f"nats://127.0.0.1:{free_port()}"))
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_export_that_is_ended_leaves_nothing(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    async def ended(*arguments: Any) -> None:
        assert (await export_events(*arguments)).events > 1
        assert len(os.listdir(tmp_path)) == 1
        os.kill(os.getpid(), number)
        await asyncio.Event().wait()

    monkeypatch.setattr(exporting, "export_events", ended)
    done = cli("export", str(tmp_path / "log.jsonl"))
    assert done.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert os.listdir(tmp_path) == []
