"""Which version of each projection is live: one row a projection, read at the start of each query.

Only the process that owns a projection moves its pointer; `previous` is what one step back leads to.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import TipstreamError
from projections.damage import set_aside
from projections.sqlite_files import BUSY_S, SqliteFiles, damage

FILE = "pointers.sqlite"
_TABLE = (
    "CREATE TABLE IF NOT EXISTS pointers (projection TEXT PRIMARY KEY, version INTEGER NOT NULL, "
    "previous INTEGER, switched_at INTEGER NOT NULL)"
)


class PointersDamaged(TipstreamError):
    """The file of pointers cannot be read; start a process that owns a projection, which sets it aside."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """The live version of a projection and the one before it; `switched_at` in microseconds since 1970."""

    projection: str
    version: int
    previous: int | None
    switched_at: int


class Pointers:
    """The pointers of the read models in `folder`; may be asked from any thread."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._files = SqliteFiles()

    def get(self, projection: str) -> Pointer | None:
        """The pointer, None while no version was ever live. Raises PointersDamaged."""
        with self._named():
            connection = self._files.get(self._path)
            return None if connection is None else _read(connection, projection)

    def set(self, projection: str, version: int) -> Pointer:
        """Make a version the live one; the one that was live becomes `previous`."""
        with self._changing() as connection:
            connection.execute(
                "INSERT INTO pointers VALUES (?1, ?2, NULL, ?3) ON CONFLICT (projection) DO UPDATE SET "
                "previous = version, version = ?2, switched_at = ?3 WHERE version <> ?2",
                (projection, version, time.time_ns() // 1000),
            )
            pointer = _read(connection, projection)
        assert pointer is not None
        return pointer

    def restore(self, projection: str, version: int, previous: int | None) -> None:
        """Say again what is live, unless that is said."""
        with self._changing() as connection:
            values = (projection, version, previous, time.time_ns() // 1000)
            connection.execute("INSERT INTO pointers VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", values)

    def forget_previous(self, projection: str) -> None:
        """There is no way back any more."""
        with self._changing() as connection:
            connection.execute("UPDATE pointers SET previous = NULL WHERE projection = ?", (projection,))

    def mend(self) -> None:
        """Put a damaged file out of the way, once however many processes find it so."""
        if self._path.is_file():
            with self._alone():
                if self._path.is_file() and (problem := damage(self._path)):
                    set_aside(self._path, problem)

    def close(self) -> None:
        """Close what any thread has opened."""
        self._files.close()

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A connection that may write. Nobody sets the file aside meanwhile, which would take what is written along."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._named(), self._alone(), closing(sqlite3.connect(self._path, timeout=BUSY_S)) as connection:
            connection.isolation_level = None
            connection.execute(_TABLE)
            yield connection

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as problem:
            raise PointersDamaged(f"{self._path}: {problem}") from problem

    @contextmanager
    def _alone(self) -> Iterator[None]:
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def _read(connection: sqlite3.Connection, projection: str) -> Pointer | None:
    query = "SELECT projection, version, previous, switched_at FROM pointers WHERE projection = ?"
    try:
        row = connection.execute(query, (projection,)).fetchone()
    except sqlite3.OperationalError as problem:
        if "no such table" not in str(problem):
            raise
        # Another process has made the file and not yet its table.
        return None
    return Pointer(*row) if row else None
