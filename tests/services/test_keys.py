"""Generated secrets are made once, whoever asks first, and are readable by their owner only."""

import base64
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from services.keys import KeyFileError, announce, load_secrets, signing_seed
from services.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("TIPSTREAM_API_KEY", raising=False)
    monkeypatch.delenv("TIPSTREAM_ADMIN_PASSWORD", raising=False)
    return Settings(home=tmp_path / "home")


def _ask(home: Path) -> tuple[str, str, bytes]:
    settings = Settings(home=home)
    found = load_secrets(settings)
    return found.api_key, found.admin_password, signing_seed(settings)


def test_secrets_are_made_once_and_read_again(settings: Settings) -> None:
    first = load_secrets(settings)
    assert load_secrets(settings) == first
    assert signing_seed(settings) == signing_seed(settings)
    assert len({first.api_key, first.admin_password}) == 2
    assert len(first.api_key) >= 32


def test_only_the_owner_may_read_them(settings: Settings) -> None:
    load_secrets(settings)
    signing_seed(settings)
    announce(settings)
    for folder in (settings.secrets_dir, settings.keys_dir):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_the_environment_wins_and_nothing_is_written(settings: Settings) -> None:
    given = Settings(home=settings.home, api_key="battery-staple", admin_password="correct-horse")
    found = load_secrets(given)
    assert (found.api_key, found.admin_password) == ("battery-staple", "correct-horse")
    assert announce(given) == {}
    assert not settings.secrets_dir.exists()


def test_generated_secrets_are_announced_once(settings: Settings) -> None:
    found = load_secrets(settings)
    assert announce(settings) == {
        "TIPSTREAM_API_KEY": found.api_key,
        "TIPSTREAM_ADMIN_PASSWORD": found.admin_password,
    }
    assert announce(settings) == {}


def test_a_key_made_anew_is_announced_again(settings: Settings) -> None:
    announce(settings)
    (settings.secrets_dir / "api.key").unlink()
    assert announce(settings) == {"TIPSTREAM_API_KEY": load_secrets(settings).api_key}


def test_secrets_do_not_show_in_a_representation(settings: Settings) -> None:
    found = load_secrets(settings)
    assert found.api_key not in repr(found)
    assert found.admin_password not in repr(found)


def test_processes_that_start_together_agree(settings: Settings) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        answers = set(pool.map(_ask, [settings.home] * 12))
    assert len(answers) == 1
    assert sorted(path.name for path in settings.secrets_dir.iterdir()) == ["admin.key", "api.key"]


def test_a_key_file_open_to_others_is_refused(settings: Settings) -> None:
    load_secrets(settings)
    (settings.secrets_dir / "api.key").chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_secrets(settings)


def test_an_empty_key_file_is_refused(settings: Settings) -> None:
    load_secrets(settings)
    (settings.secrets_dir / "admin.key").write_text("\n")
    with pytest.raises(KeyFileError, match=r"admin\.key is empty; delete it"):
        load_secrets(settings)


@pytest.mark.parametrize("text", ["", "not base64!\n", base64.b64encode(b"short").decode()])
def test_a_damaged_signing_key_is_refused_and_kept(settings: Settings, text: str) -> None:
    signing_seed(settings)
    path = settings.keys_dir / "signing.key"
    path.write_text(text)
    with pytest.raises(KeyFileError, match=r"signing\.key .* restore it"):
        signing_seed(settings)
    assert path.read_text() == text


def test_the_signing_key_is_32_bytes_in_base64(settings: Settings) -> None:
    seed = signing_seed(settings)
    assert len(seed) == 32
    assert base64.b64decode((settings.keys_dir / "signing.key").read_text()) == seed
