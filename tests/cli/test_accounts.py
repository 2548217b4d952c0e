"""`tipstream account` and `tipstream key`: they work on HOME, and what they make opens what it should."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.accounts.accounts import Accounts
from services.accounts.store import FILE
from services.settings import Settings
from tests.cli.conftest import Cli
from tests.cli.test_events import refused
from tests.processes import run_tipstream
from tests.servers import NatsServer

PASSWORD = "correct horse\n"


def test_an_account_is_made_listed_changed_and_removed(cli: Cli, server: NatsServer) -> None:
    accounts = Accounts(server.home)
    assert cli("account", "add", "ann", "--role", "analyst", text=PASSWORD).stdout == "ann may log in as analyst\n"
    assert accounts.log_in("ann", PASSWORD.strip())
    listed = cli("account", "list").stdout
    assert "analyst" in listed
    assert "view, sql" in listed
    assert cli("account", "role", "ann", "ops").returncode == 0
    assert cli("account", "password", "ann", text="another horse\n").returncode == 0
    assert accounts.log_in("ann", PASSWORD.strip()) is None
    assert accounts.log_in("ann", "another horse")
    assert cli("account", "remove", "ann").returncode == 0
    assert accounts.log_in("ann", "another horse") is None


def test_a_key_is_made_shown_once_listed_and_revoked(cli: Cli, server: NatsServer) -> None:
    accounts = Accounts(server.home)
    cli("account", "add", "bob", "--role", "ops", text=PASSWORD)
    made = cli("key", "make", "bob", "night job", "--scope", "operate", "--days", "7")
    secret = made.stdout.strip()
    identity = accounts.key(secret)
    assert identity is not None
    assert identity.name == "bob"
    assert identity.permissions == {"view", "operate"}
    (key,) = accounts.keys("bob")
    assert key.expires_at is not None
    listed = cli("key", "list", "--account", "bob").stdout
    assert key.key_id in listed
    assert "night job" in listed
    assert secret not in listed
    assert cli("key", "revoke", key.key_id).returncode == 0
    assert accounts.key(secret) is None
    assert "no such key" in refused(cli("key", "revoke", key.key_id))
    cli("account", "remove", "bob")


def test_a_password_costs_what_owasp_asks_for_at_least(server: NatsServer) -> None:
    environment = {**os.environ, "TIPSTREAM_HOME": str(server.home)}
    assert run_tipstream("account", "add", "carl", environment=environment, text=PASSWORD).returncode == 0
    with closing(sqlite3.connect(server.home / FILE)) as file:
        ((encoded,),) = file.execute("SELECT password_hash FROM accounts WHERE name = 'carl'")
    assert encoded.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_what_cannot_be_is_told_in_words(cli: Cli) -> None:
    assert "role 'king' is none of viewer, analyst, ops, admin" in refused(
        cli("account", "add", "eve", "--role", "king")
    )
    assert "password: must have" in refused(cli("account", "add", "eve", text="short\n"))
    assert "name: takes 1 to 64" in refused(cli("account", "add", "e v e", text=PASSWORD))
    assert "admin is the operator's own account" in refused(cli("account", "remove", "admin"))
    assert "there is no account eve" in refused(cli("account", "role", "eve", "ops"))
    assert "scope 'all' is none of" in refused(cli("key", "make", "eve", "x", "--scope", "all"))
    assert "there is no account eve" in refused(cli("key", "make", "eve", "x"))


@pytest.mark.parametrize("user", ["", "x" * 513])
def test_a_link_for_nobody_is_refused(cli: Cli, user: str) -> None:
    assert "the id of a person has 1 to 512 characters" in refused(cli("link", user))


def test_a_link_is_not_made_where_no_tipstream_is(cli: Cli, tmp_path: Path) -> None:
    typo = tmp_path / "typo"
    said = refused(cli("link", "ann", HOME=str(typo)))
    assert f"TIPSTREAM_HOME: there is no Tipstream in {typo}" in said
    assert len(said.splitlines()) == 1
    assert not typo.exists()
    assert cli("link", "ann").stdout.startswith("http://")


def test_a_link_asked_for_while_a_restore_runs_says_so(cli: Cli, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.restoring_dir.mkdir()
    settings.restoring_mark.touch()
    assert "a `tipstream restore` into" in refused(cli("link", "ann", HOME=str(tmp_path)))
