"""Accounts, sessions and keys: who gets in, for how long, and what a key opens."""

from functools import partial
from pathlib import Path
from time import time

import pytest

from services.accounts.accounts import SESSION_IDLE_S, SESSION_LONGEST_S, Accounts
from services.accounts.errors import AccountError, AccountsUnusable, NoSuchAccount
from services.accounts.roles import ROLES
from services.accounts.tickets import Tickets
from services.accounts.visitors import DAY_S, LONGEST_DAYS, Visitor, link_path, visitor_of_link
from tests.room import room_for

PASSWORD = "correct horse"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(tmp_path: Path, clock: Clock) -> Accounts:
    found = Accounts(tmp_path, now=clock)
    found.ensure_admin("operator's own")
    found.add("ann", PASSWORD, "analyst")
    return found


def logged_in(accounts: Accounts, name: str = "ann", password: str = PASSWORD) -> str:
    token = accounts.log_in(name, password)
    assert token is not None
    return token


def test_only_the_right_password_begins_a_session(accounts: Accounts) -> None:
    identity = accounts.session(logged_in(accounts))
    assert identity is not None
    assert (identity.name, identity.permissions) == ("ann", ROLES["analyst"])
    assert accounts.log_in("ann", "wrong") is None
    assert accounts.log_in("nobody", PASSWORD) is None
    assert accounts.log_in("ann", PASSWORD + "\0" * 100_000) is None


def test_no_secret_stands_in_the_file_and_only_its_owner_reads_it(accounts: Accounts, tmp_path: Path) -> None:
    token = logged_in(accounts)
    _, secret = accounts.make_key("ann", "laptop", ["sql"])
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("accounts.sqlite*"))
    for text in (PASSWORD, token, secret):
        assert text.encode() not in stored
    assert (tmp_path / "accounts.sqlite").stat().st_mode & 0o077 == 0


def test_sessions_outlive_the_process_and_end_by_themselves_or_at_logout(
    accounts: Accounts, tmp_path: Path, clock: Clock
) -> None:
    token = logged_in(accounts)
    again = Accounts(tmp_path, now=clock)
    for _ in range(SESSION_LONGEST_S // (SESSION_IDLE_S - 60)):
        clock.now += SESSION_IDLE_S - 60
        assert again.session(token) is not None
    clock.now += SESSION_IDLE_S - 60
    assert again.session(token) is None, "a session ends after a week, however busy it is"
    token = logged_in(again)
    clock.now += SESSION_IDLE_S
    assert again.session(token) is None
    identity = again.session(token := logged_in(again))
    assert identity is not None
    assert identity.session is not None
    again.log_out(identity.session)
    assert again.session(token) is None


def test_a_new_password_or_a_removed_account_ends_sessions_and_keys(accounts: Accounts) -> None:
    token, (_, secret) = logged_in(accounts), accounts.make_key("ann", "laptop", ["sql"])
    accounts.change("ann", password="another one")
    assert accounts.session(token) is None
    assert accounts.key(secret) is not None
    token = logged_in(accounts, password="another one")
    accounts.remove("ann")
    assert accounts.session(token) is None
    assert accounts.key(secret) is None


def test_a_role_holds_at_once_and_bounds_the_keys_made_before(accounts: Accounts) -> None:
    token, (key, secret) = logged_in(accounts), accounts.make_key("ann", "laptop", ["sql"])
    assert key.scopes == ("view", "sql")
    accounts.change("ann", role="viewer")
    identity, by_key = accounts.session(token), accounts.key(secret)
    assert identity is not None
    assert by_key is not None
    assert identity.permissions == by_key.permissions == {"view"}


def test_keys_end_when_revoked_or_expired(accounts: Accounts, clock: Clock) -> None:
    key, secret = accounts.make_key("ann", "laptop", ["sql"], expires_at=int(clock.now) + 60)
    assert accounts.key(secret) is not None
    clock.now += 61
    assert accounts.key(secret) is None
    key, secret = accounts.make_key("ann", "laptop", ["sql"])
    accounts.revoke_key(key.key_id)
    assert accounts.key(secret) is None
    with pytest.raises(NoSuchAccount):
        accounts.revoke_key(key.key_id)


def test_the_operator_s_password_is_the_admin_s_and_a_changed_one_ends_sessions(accounts: Accounts) -> None:
    token = logged_in(accounts, "admin", "operator's own")
    accounts.ensure_admin("operator's own")
    assert accounts.session(token) is not None
    accounts.ensure_admin("a new one")
    assert accounts.session(token) is None
    assert accounts.log_in("admin", "a new one") is not None


@pytest.mark.parametrize(
    ("name", "password", "field"),
    [("ann", PASSWORD, "name"), ("", PASSWORD, "name"), ("a b", PASSWORD, "name"), ("bob", "short", "password")],
)
def test_an_account_that_cannot_be_is_refused_by_field(
    accounts: Accounts, name: str, password: str, field: str
) -> None:
    with pytest.raises(AccountError) as caught:
        accounts.add(name, password, "viewer")
    assert caught.value.field == field


def test_a_key_opens_no_more_than_its_owner_s_role(accounts: Accounts) -> None:
    with pytest.raises(AccountError, match="does not have operate"):
        accounts.make_key("ann", "laptop", ["operate"])
    with pytest.raises(AccountError, match="admin is the operator's own"):
        accounts.change("admin", role="viewer")


def test_on_a_full_disk_sessions_and_keys_still_open_what_they_did(
    accounts: Accounts, clock: Clock, tmp_path: Path
) -> None:
    token, (_, secret) = logged_in(accounts), accounts.make_key("ann", "laptop", ["view"])
    for _ in range(2):
        with room_for(0):
            session, key, listed = accounts.session(token), accounts.key(secret), accounts.accounts()
        assert session is not None
        assert key is not None
        assert [one.name for one in listed] == ["admin", "ann"]
        # When it was last used is written down again.
        clock.now += 3600
    with room_for(0), pytest.raises(AccountsUnusable, match=r"accounts\.sqlite cannot be used \(.*make room"):
        accounts.log_in("ann", PASSWORD)
    with room_for(0), pytest.raises(AccountsUnusable, match=r"accounts\.sqlite cannot be used \(.*make room"):
        Accounts(tmp_path / "new")
    assert accounts.session(logged_in(accounts)) is not None


def test_a_ticket_is_worth_its_purpose_its_age_and_its_key(tmp_path: Path) -> None:
    tickets = Tickets(tmp_path / "keys")
    ticket = tickets.issue("session", "one")
    assert tickets.read("session", ticket, 60) == "one"
    assert Tickets(tmp_path / "keys").read("session", ticket, 60) == "one"
    assert tickets.read("visitor", ticket, 60) is None
    assert tickets.read("session", ticket, -1) is None
    assert tickets.read("session", ticket[:-1], 60) is None
    assert Tickets(tmp_path / "others").read("session", ticket, 60) is None
    assert tickets.read("session", None, 60) is None


def test_a_ticket_holds_while_the_clock_is_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tickets = Tickets(tmp_path)
    ticket = tickets.issue("session", "one")
    issued = time()
    for later, said in ((-3600, "one"), (59, "one"), (62, None)):
        monkeypatch.setattr("services.accounts.tickets.time", partial(float, issued + later))
        assert tickets.read("session", ticket, 60) == said


def test_a_link_says_whose_it_was_long_after_it_has_expired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tickets = Tickets(tmp_path)
    path, until = link_path(tickets, "ann", LONGEST_DAYS)
    years_later = time() + 5 * 365 * DAY_S
    monkeypatch.setattr("services.accounts.tickets.time", lambda: years_later)
    assert visitor_of_link(tickets, path.removeprefix("/?link=")) == Visitor("ann", until)
