"""`accounts.sqlite` under HOME: accounts, browser sessions and API keys. Never on the stream, never a secret in clear.

Sessions and keys are random tokens of 256 bits, so their SHA-256 is kept; passwords are kept as Argon2id hashes.
Any process of HOME may open it: the API writes, the query process looks keys up.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from services.accounts.errors import AccountsUnusable

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, password_hash TEXT NOT NULL, created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
    token_hash TEXT PRIMARY KEY, name TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    created_at INTEGER NOT NULL, seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (
    key_id TEXT PRIMARY KEY, token_hash TEXT NOT NULL UNIQUE, name TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    label TEXT NOT NULL, scopes TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER
) STRICT, WITHOUT ROWID;
"""
FILE = "accounts.sqlite"
WAIT_S = 5.0


class AccountFile:
    """The file; each use opens it anew, which costs a tenth of a millisecond and holds no lock between uses."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        with self.open() as connection:
            # Not WAL: whoever reads that first makes a file for it, which a full disk has no room for.
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.executescript(SCHEMA)

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        """A connection in one transaction, committed at the end. Raises AccountsUnusable."""
        try:
            with closing(sqlite3.connect(self._path, timeout=WAIT_S)) as connection:
                connection.execute("PRAGMA foreign_keys = ON")
                with connection:
                    yield connection
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as problem:
            raise AccountsUnusable(
                f"HOME/{FILE} cannot be used ({problem}); make room on its disk, or put a backup of it in its place"
            ) from None
