"""Accounts, their sessions and their keys: who logs in, for how long, and what a key opens."""

import hashlib
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import time

from services.accounts.errors import AccountError, AccountsUnusable, NoSuchAccount
from services.accounts.identity import Identity
from services.accounts.passwords import LONGEST, SHORTEST, hashed, matches
from services.accounts.roles import PERMISSIONS, ROLES, Permission, Role
from services.accounts.store import AccountFile

ADMIN = "admin"
KEY_PREFIX = "tsk_"
SESSION_IDLE_S = 12 * 3600
SESSION_LONGEST_S = 7 * 24 * 3600
SEEN_EVERY_S = 60
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")


@dataclass(frozen=True, slots=True)
class Account:
    """One account; times are seconds since 1970."""

    name: str
    role: Role
    created_at: int


@dataclass(frozen=True, slots=True)
class Key:
    """One API key without its secret; it may do what both its scopes and its owner's role allow."""

    key_id: str
    name: str
    label: str
    scopes: tuple[Permission, ...]
    created_at: int
    expires_at: int | None


class Accounts:
    """All of them, in one HOME. `now` gives seconds since 1970."""

    def __init__(self, home: Path, *, now: Callable[[], float] = time) -> None:
        self._file = AccountFile(home)
        self._now = now

    def ensure_admin(self, password: str) -> None:
        """See that `admin` exists with this password; a changed one ends the sessions made with the old."""
        with self._file.open() as connection:
            row = connection.execute("SELECT password_hash FROM accounts WHERE name = ?", (ADMIN,)).fetchone()
            if row is None:
                self._insert(connection, ADMIN, password, "admin")
            elif not matches(password, row[0]):
                self._set_password(connection, ADMIN, password)

    def accounts(self) -> list[Account]:
        """Every account, by name."""
        with self._file.open() as connection:
            rows = connection.execute("SELECT name, role, created_at FROM accounts ORDER BY name").fetchall()
        return [Account(*row) for row in rows]

    def add(self, name: str, password: str, role: Role) -> None:
        """Make an account. Raises AccountError."""
        if not _NAME.fullmatch(name):
            raise AccountError("name", "takes 1 to 64 of A-Z a-z 0-9 _ . @ - and begins with a letter or digit")
        _check_password(password)
        with self._file.open() as connection:
            try:
                self._insert(connection, name, password, role)
            except sqlite3.IntegrityError:
                raise AccountError("name", f"{name} is taken") from None

    def change(self, name: str, *, password: str | None = None, role: Role | None = None) -> None:
        """Give an account another password or role; a new password ends its sessions. Raises AccountError."""
        self._not_admin(name)
        with self._file.open() as connection:
            self._known(connection, name)
            if password is not None:
                _check_password(password)
                self._set_password(connection, name, password)
            if role is not None:
                connection.execute("UPDATE accounts SET role = ? WHERE name = ?", (role, name))

    def remove(self, name: str) -> None:
        """Remove an account with its sessions and keys. Raises AccountError."""
        self._not_admin(name)
        with self._file.open() as connection:
            self._known(connection, name)
            connection.execute("DELETE FROM accounts WHERE name = ?", (name,))

    def log_in(self, name: str, password: str) -> str | None:
        """The token of a new session, None for a wrong name or password. Takes about 20 ms of a core."""
        with self._file.open() as connection:
            row = connection.execute("SELECT password_hash FROM accounts WHERE name = ?", (name,)).fetchone()
        if not matches(password, row and row[0]):
            return None
        token, now = secrets.token_urlsafe(32), int(self._now())
        with self._file.open() as connection:
            connection.execute("DELETE FROM sessions WHERE seen_at < ?", (now - SESSION_IDLE_S,))
            connection.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", (_digest(token), name, now, now))
        return token

    def session(self, token: str) -> Identity | None:
        """Whose session a token is, None when it has ended."""
        return self.session_of(_digest(token))

    def session_of(self, session: str) -> Identity | None:
        """The session that an `Identity` names, as it is now; None when it has ended."""
        now = int(self._now())
        with self._file.open() as connection:
            row = connection.execute(
                "SELECT name, role, seen_at FROM sessions JOIN accounts USING (name) "
                "WHERE token_hash = ? AND seen_at > ? AND sessions.created_at > ?",
                (session, now - SESSION_IDLE_S, now - SESSION_LONGEST_S),
            ).fetchone()
        if row is not None and now - row[2] > SEEN_EVERY_S:
            # Whoever is in may look at what fills the disk.
            with suppress(AccountsUnusable), self._file.open() as connection:
                connection.execute("UPDATE sessions SET seen_at = ? WHERE token_hash = ?", (now, session))
        return None if row is None else Identity(row[0], ROLES[row[1]], session)

    def log_out(self, session: str) -> None:
        """End a session."""
        with self._file.open() as connection:
            connection.execute("DELETE FROM sessions WHERE token_hash = ?", (session,))

    def keys(self, name: str | None = None) -> list[Key]:
        """Every key, or those of one account, the latest first."""
        with self._file.open() as connection:
            rows = connection.execute(
                "SELECT key_id, name, label, scopes, created_at, expires_at FROM keys "
                "WHERE ? IS NULL OR name = ? ORDER BY created_at DESC, key_id",
                (name, name),
            ).fetchall()
        return [
            Key(key_id, owner, label, tuple(scopes.split()), created_at, expires_at)
            for key_id, owner, label, scopes, created_at, expires_at in rows
        ]

    def make_key(
        self, name: str, label: str, scopes: Sequence[Permission], *, expires_at: int | None = None
    ) -> tuple[Key, str]:
        """A new key of an account and its secret, which cannot be shown again. Raises AccountError."""
        if not label.strip():
            raise AccountError("label", "says what the key is for")
        if expires_at is not None and expires_at <= self._now():
            raise AccountError("expires_at", "has passed")
        key = Key(secrets.token_hex(6), name, label.strip(), _ordered(scopes), int(self._now()), expires_at)
        token = KEY_PREFIX + secrets.token_urlsafe(32)
        with self._file.open() as connection:
            role = self._known(connection, name)
            if beyond := [scope for scope in key.scopes if scope not in ROLES[role]]:
                raise AccountError("scopes", f"{name} is {role}, which does not have {', '.join(beyond)}")
            connection.execute(
                "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key.key_id, _digest(token), name, key.label, " ".join(key.scopes), key.created_at, expires_at),
            )
        return key, token

    def revoke_key(self, key_id: str) -> None:
        """End a key at once. Raises NoSuchAccount."""
        with self._file.open() as connection:
            if not connection.execute("DELETE FROM keys WHERE key_id = ?", (key_id,)).rowcount:
                raise NoSuchAccount("key_id", "there is no such key")

    def key(self, token: str) -> Identity | None:
        """In whose name a key acts and what it may do now; None for one that is unknown, revoked or expired."""
        if not token.startswith(KEY_PREFIX):
            return None
        with self._file.open() as connection:
            row = connection.execute(
                "SELECT name, role, scopes FROM keys JOIN accounts USING (name) "
                "WHERE token_hash = ? AND (expires_at IS NULL OR expires_at > ?)",
                (_digest(token), int(self._now())),
            ).fetchone()
        return None if row is None else Identity(row[0], ROLES[row[1]] & frozenset(row[2].split()))

    def _insert(self, connection: sqlite3.Connection, name: str, password: str, role: Role) -> None:
        values = (name, role, hashed(password), int(self._now()))
        connection.execute("INSERT INTO accounts VALUES (?, ?, ?, ?)", values)

    def _set_password(self, connection: sqlite3.Connection, name: str, password: str) -> None:
        connection.execute("UPDATE accounts SET password_hash = ? WHERE name = ?", (hashed(password), name))
        connection.execute("DELETE FROM sessions WHERE name = ?", (name,))

    def _known(self, connection: sqlite3.Connection, name: str) -> Role:
        row = connection.execute("SELECT role FROM accounts WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise NoSuchAccount("name", f"there is no account {name}")
        role: Role = row[0]
        return role

    def _not_admin(self, name: str) -> None:
        if name == ADMIN:
            said = "is the operator's own account: TIPSTREAM_ADMIN_PASSWORD or HOME/secrets/admin.key sets its password"
            raise AccountError("name", f"{ADMIN} {said}")


def _check_password(password: str) -> None:
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccountError("password", f"must have {SHORTEST} to {LONGEST} characters")


def _ordered(scopes: Iterable[Permission]) -> tuple[Permission, ...]:
    wanted = frozenset(scopes) | {"view"}
    return tuple(permission for permission in PERMISSIONS if permission in wanted)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
