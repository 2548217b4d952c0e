"""A furnished installation and a backup of it, for all tests of a module."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.settings import Settings
from tests.backup.installation import backed_up, furnish
from tests.servers import NatsServer

EVENTS = 2000


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """The server of the installation that is backed up."""
    server = NatsServer(tmp_path_factory.mktemp("origin"), fsync="interval")
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def installation(origin: NatsServer) -> Settings:
    """Its settings."""
    return asyncio.run(furnish(origin, events=EVENTS))


@pytest.fixture(scope="module")
def whole(installation: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it, not to be changed."""
    path = tmp_path_factory.mktemp("backups") / "whole.tar"
    asyncio.run(backed_up(installation, path))
    return path


@pytest.fixture
def backup(whole: Path, tmp_path: Path) -> Path:
    """A copy of that backup, to be damaged."""
    return Path(shutil.copy(whole, tmp_path / "backup.tar"))


@pytest.fixture
def elsewhere(tmp_path: Path) -> Settings:
    """An installation that is not there yet, with an embedded server."""
    return Settings(home=tmp_path / "elsewhere")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIPSTREAM_NATS_URL", raising=False)
