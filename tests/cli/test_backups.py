"""`tipstream backup` and `restore`: what they print, and that every refusal is one clear line."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from services.backup import taking
from services.cli import backups
from services.settings import Settings
from services.supervisor.ports import claim_home
from tests.cli.conftest import Cli
from tests.cli.test_events import refused
from tests.room import room_for
from tests.servers import NatsServer

EMBEDDED = {"NATS_URL": ""}


@pytest.fixture
def made(cli: Cli, tmp_path: Path) -> Path:
    path = tmp_path / "made.tar"
    done = cli("backup", str(path))
    assert done.returncode == 0, done.stderr
    return path


def test_a_backup_says_what_is_in_it(cli: Cli, tmp_path: Path) -> None:
    done = cli("backup", str(tmp_path / "one.tar"))
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{tmp_path}/one.tar: ")
    assert "events 1-" in line
    assert line.endswith("inside: log, keys"), line


def test_a_dry_run_verifies_and_touches_nothing(cli: Cli, made: Path, tmp_path: Path) -> None:
    done = cli("restore", "--dry-run", str(made), HOME=str(tmp_path / "none"), **EMBEDDED)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "every part is as it was backed up; nothing has been touched"
    assert "log        TIPS 1-" in done.stdout
    assert not (tmp_path / "none").exists()


def test_what_was_restored_is_said_and_is_not_restored_over(cli: Cli, made: Path, tmp_path: Path) -> None:
    home = str(tmp_path / "back")
    done = cli("restore", str(made), HOME=home, **EMBEDDED)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"restored to {home}: events 1-")
    said = refused(cli("restore", str(made), HOME=home, **EMBEDDED))
    assert f"{home} holds nats, keys already; move that folder away, or set TIPSTREAM_HOME to another" in said


def test_a_home_that_is_in_use_is_refused(cli: Cli, made: Path, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "running")
    settings.make_home()
    with claim_home(settings):
        said = refused(cli("restore", str(made), HOME=str(settings.home), **EMBEDDED))
    assert f"another `tipstream up` (process {os.getpid()}) runs on {settings.home}; stop it" in said


def test_a_server_that_has_the_stream_is_refused(cli: Cli, server: NatsServer, made: Path, tmp_path: Path) -> None:
    said = refused(cli("restore", str(made), HOME=str(tmp_path / "back")))
    assert f"{server.url} has a stream TIPS already" in said
    assert not (tmp_path / "back" / "keys").exists()
    Settings(home=tmp_path / "back").make_home()


def test_no_file_is_written_over_unasked_and_no_folder_made(cli: Cli, made: Path, tmp_path: Path) -> None:
    before = made.read_bytes()
    assert "is there already" in refused(cli("backup", str(made)))
    assert made.read_bytes() == before
    assert cli("backup", str(made), "--force").returncode == 0
    assert made.read_bytes() != before
    assert f"there is no folder {tmp_path}/none" in refused(cli("backup", str(tmp_path / "none" / "x.tar")))
    assert "is no regular file" in refused(cli("backup", str(tmp_path)))
    assert os.listdir(tmp_path) == [made.name]


def test_a_home_of_another_log_is_refused(cli: Cli, server: NatsServer, tmp_path: Path) -> None:
    said = refused(cli("backup", str(tmp_path / "x.tar"), HOME=str(tmp_path / "none")))
    assert "signing.key does not exist" in said
    other = Settings(home=tmp_path / "other")
    other.make_home()
    (other.keys_dir / "signing.key").touch(mode=0o600)
    (other.keys_dir / "signing.key").write_text("b3RoZXIga2V5IHRoYW4gdGhlIGxvZyB0cnVzdHMsIDE=")
    assert "the stream trusts key" in refused(cli("backup", str(tmp_path / "x.tar"), HOME=str(other.home)))
    assert not (tmp_path / "x.tar").exists()


def test_a_server_that_is_away_is_one_clear_line(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "CONNECT_S", 0.5)
    said = refused(cli("backup", str(tmp_path / "x.tar"), NATS_URL="nats://127.0.0.1:9"))
    assert "no NATS server at nats://127.0.0.1:9" in said
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_read_ends_it_and_leaves_nothing(cli: Cli, server: NatsServer, tmp_path: Path) -> None:
    broken = server.home / "mlflow" / "mlflow.db"
    broken.parent.mkdir(exist_ok=True)
    broken.write_text(json.dumps({"no": "database"}) * 100)
    try:
        said = refused(cli("backup", str(tmp_path / "x.tar")))
    finally:
        broken.unlink()
    assert f"no backup was made: {broken} cannot be copied" in said
    assert os.listdir(tmp_path) == []


def test_no_file_of_home_is_replaced(cli: Cli, server: NatsServer) -> None:
    key = server.home / "keys" / "signing.key"
    before = key.read_bytes()
    assert "lies in " in refused(cli("backup", str(key), "--force"))
    assert "lies in " in refused(cli("export", str(key.parent / "log.jsonl")))
    assert key.read_bytes() == before
    assert os.listdir(key.parent) == [key.name]


def test_it_needs_a_name_that_can_be_one(cli: Cli) -> None:
    assert "is not printed" in refused(cli("backup", "-"))
    assert "cannot be written (File name too long)" in refused(cli("backup", "x" * 300))


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_is_ended_leaves_nothing(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    async def ended(*_: object) -> None:
        assert len(os.listdir(tmp_path)) == 2
        os.kill(os.getpid(), number)
        await asyncio.Event().wait()

    monkeypatch.setattr(taking, "_add_stream", ended)
    done = cli("backup", str(tmp_path / "x.tar"))
    assert done.returncode == 128 + number
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []


def test_a_full_disk_ends_it_and_leaves_nothing(cli: Cli, tmp_path: Path) -> None:
    with room_for(4096):
        said = refused(cli("backup", str(tmp_path / "x.tar")))
    assert f"{tmp_path / 'x.tar'}: cannot be written (" in said
    assert os.listdir(tmp_path) == []


def test_a_home_that_cannot_be_made_is_told_in_words(cli: Cli, made: Path) -> None:
    said = refused(cli("restore", str(made), HOME=str(made / "home"), **EMBEDDED))
    assert f"TIPSTREAM_HOME: {made}/home cannot be created (Not a directory)" in said
