"""A restore that was killed keeps everybody from HOME, and the next one ends it."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from services.backup import log_server, restoring
from services.backup.errors import RestoreFailed
from services.backup.restoring import restore
from services.settings import Settings, SettingsError
from tests.backup.installation import backed_up, files_in, furnish, quiet, records_of
from tests.servers import NatsServer
from tests.waiting import until


class Killed(BaseException):
    """Stands for a kill at a certain point: nothing below it tidies up."""


def restore_elsewhere(path: Path, settings: Settings, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """`tipstream restore` as a process."""
    environment = {**os.environ, "TIPSTREAM_HOME": str(settings.home)}
    command = [sys.executable, "-m", "services.cli", "restore", str(path)]
    return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


async def test_killed_while_the_log_is_restored_it_is_begun_anew(
    nats_server: NatsServer, tmp_path: Path, elsewhere: Settings
) -> None:
    manifest = await backed_up(await furnish(nats_server, events=5_000), tmp_path / "backup.tar")
    with (tmp_path / "output").open("wb") as output:
        process = restore_elsewhere(tmp_path / "backup.tar", elsewhere, output)
        await until(lambda: process.poll() is not None or elsewhere.restoring_mark.exists())
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, (tmp_path / "output").read_text()
    with pytest.raises(SettingsError, match="did not end"):
        elsewhere.make_home()
    assert not (elsewhere.home / "keys").exists()

    await restore(elsewhere, tmp_path / "backup.tar", quiet)
    elsewhere.make_home()
    restored = NatsServer(elsewhere.home)
    restored.start()
    try:
        assert len(await records_of(restored.url)) == manifest.log.messages
    finally:
        restored.kill()


@pytest.mark.parametrize("moves", [0, 1, 3, 5])
async def test_killed_while_it_moves_into_place_it_is_begun_anew(
    whole: Path, elsewhere: Settings, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    done = 0

    def rename(path: Path, target: Path) -> None:
        nonlocal done
        if done == moves:
            raise Killed
        os.rename(path, target)
        done += 1

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        with pytest.raises(Killed):
            await restore(elsewhere, whole, quiet)
    assert sum((elsewhere.home / name).exists() for name in restoring.PLACED) == moves
    with pytest.raises(SettingsError, match="did not end"):
        elsewhere.make_home()

    await restore(elsewhere, whole, quiet)
    elsewhere.make_home()
    assert "secrets/api.key" in files_in(elsewhere.home)
    assert not elsewhere.restoring_dir.exists()


async def test_one_that_fails_leaves_home_as_it_was(
    whole: Path, elsewhere: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "trusted_signer", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        await restore(elsewhere, whole, quiet)
    assert list(elsewhere.home.iterdir()) == []


async def test_a_log_that_a_killed_restore_put_on_another_server_is_taken(
    nats_server: NatsServer, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path / "elsewhere", nats_url=nats_server.url)
    with monkeypatch.context() as patch:
        patch.setattr(restoring, "_place", lambda _: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            await restore(settings, whole, quiet)
    await restore(settings, whole, quiet)
    assert "keys/signing.key" in files_in(settings.home)


async def test_a_server_that_a_killed_restore_left_behind_and_that_never_ends_is_told(
    whole: Path, elsewhere: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_server, "STOP_S", 0.2)
    elsewhere.restoring_dir.mkdir(parents=True)
    with (elsewhere.restoring_dir / "nats-server.log").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(RestoreFailed, match="still runs on"):
            await restore(elsewhere, whole, quiet)
    await restore(elsewhere, whole, quiet)
