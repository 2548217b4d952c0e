"""Settings come from the environment, have the documented defaults, and refuse what cannot work."""

import os
from pathlib import Path

import pytest

from contracts.errors import TipstreamError
from services.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("TIPSTREAM_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_a_home_that_only_can_be_read_is_refused_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    settings.make_home()
    # As on a read-only file system; root may write where the mode says nobody may.
    monkeypatch.setattr(os, "access", lambda path, mode: not Path(path).samefile(settings.run_dir))
    with pytest.raises(SettingsError, match=r"TIPSTREAM_HOME: .*run cannot be written to.*name a directory you may"):
        settings.make_home()


def test_defaults_are_those_of_the_design(tmp_path: Path) -> None:
    settings = Settings()
    ports = (settings.port, settings.scorer_port, settings.mlflow_port, settings.nats_port)
    assert ports == (8000, 8001, 8002, 4222)
    assert settings.quack_port == 9494
    assert settings.home == tmp_path / ".tipstream"
    assert settings.fsync == "always"
    assert settings.api_key is None
    assert settings.admin_password is None
    assert settings.embedded
    assert settings.bus_url == "nats://127.0.0.1:4222"
    assert settings.scorer_base == "http://127.0.0.1:8001"


def test_each_variable_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = {
        "HOME": str(tmp_path / "data"),
        "HOST": "0.0.0.0",
        "PORT": "18000",
        "SCORER_PORT": "18001",
        "MLFLOW_PORT": "18002",
        "NATS_PORT": "14222",
        "QUACK_PORT": "19494",
        "ADMIN_PASSWORD": "correct-horse",
        "API_KEY": "battery-staple",
        "FSYNC": "interval",
        "NATS_URL": "tls://nats.internal:4222",
        "SCORER_URL": "http://scorer:8001/",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"TIPSTREAM_{name}", value)
    settings = Settings()
    assert settings.home == tmp_path / "data"
    assert settings.host == "0.0.0.0"
    assert (settings.port, settings.scorer_port, settings.mlflow_port) == (18000, 18001, 18002)
    assert (settings.nats_port, settings.quack_port) == (14222, 19494)
    assert settings.fsync == "interval"
    assert not settings.embedded
    assert settings.bus_url == "tls://nats.internal:4222"
    assert settings.scorer_base == "http://scorer:8001"
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "battery-staple"
    assert settings.admin_password is not None
    assert settings.admin_password.get_secret_value() == "correct-horse"


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HOME", "PORT", "API_KEY", "NATS_URL"):
        monkeypatch.setenv(f"TIPSTREAM_{name}", "")
    assert Settings() == Settings(home=tmp_path / ".tipstream", port=8000)


@pytest.mark.parametrize(
    ("name", "value", "mend"),
    [
        ("PORT", "abc", "from 1 to 65535"),
        ("PORT", "0", "from 1 to 65535"),
        ("QUACK_PORT", "65536", "from 1 to 65535"),
        ("FSYNC", "sometimes", "'always' or 'interval'"),
        ("NATS_URL", "http://host:4222", "nats://host:4222"),
        ("NATS_URL", "nats://", "nats://host:4222"),
        ("NATS_URL", "nats://a:4222,b", "with commas between"),
        ("SCORER_URL", "scorer:8001", "http://host:8001"),
        ("NATS_URL", "nats://host:99999", "nats://host:4222"),
        ("API_URL", "http://host:99999", "http://host:8001"),
        ("HOME", __file__, "name a directory"),
        ("HOME", "/tmp/" + "x" * 300, "name a directory"),
        ("HOME", "/tmp/\udcff", "name a directory"),
        ("API_KEY", "has blanks", "no blank"),
        ("ADMIN_PASSWORD", "two words here", "no blank"),
    ],
)
def test_a_bad_value_is_named_with_how_to_mend_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, mend: str
) -> None:
    monkeypatch.setenv(f"TIPSTREAM_{name}", value)
    with pytest.raises(SettingsError, match=f"^TIPSTREAM_{name}:") as caught:
        Settings()
    assert mend in str(caught.value)
    assert isinstance(caught.value, TipstreamError)


def test_every_bad_variable_has_its_own_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIPSTREAM_PORT", "x")
    monkeypatch.setenv("TIPSTREAM_FSYNC", "y")
    with pytest.raises(SettingsError) as caught:
        Settings()
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "TIPSTREAM_PORT",
        "TIPSTREAM_FSYNC",
    ]


def test_two_processes_cannot_share_a_port() -> None:
    with pytest.raises(SettingsError, match="TIPSTREAM_PORT and TIPSTREAM_SCORER_PORT are both 8001"):
        Settings(port=8001)


def test_the_port_of_an_absent_embedded_server_is_free_for_others() -> None:
    assert Settings(port=4222, nats_url="nats://elsewhere:4222").port == 4222


def test_secrets_show_in_no_representation_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(api_key="battery-staple", nats_url="nats://me:hunter22@host:4222")
    assert "battery-staple" not in repr(settings)
    assert "hunter22" not in repr(settings)
    monkeypatch.setenv("TIPSTREAM_API_KEY", "pass word")
    monkeypatch.setenv("TIPSTREAM_NATS_URL", "http://me:hunter22@host:4222")
    with pytest.raises(SettingsError) as caught:
        Settings()
    assert "pass word" not in str(caught.value)
    assert "hunter22" not in str(caught.value)


def test_home_and_its_folders_are_made_for_the_owner_only(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "new" / "home")
    settings.make_home()
    settings.make_home()
    folders = {path.name: path.stat().st_mode & 0o777 for path in settings.home.iterdir()}
    assert folders == dict.fromkeys(
        ("nats", "read_models", "secrets", "keys", "outbox", "mlflow", "pipelines", "logs", "run"), 0o700
    )


def test_a_home_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"^TIPSTREAM_HOME: .* cannot be created"):
        Settings(home=tmp_path / "file" / "home").make_home()
