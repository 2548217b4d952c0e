"""Which version of each projection is live: one row a projection, read at the start of each query.

Only the process that owns a projection moves its pointer; `previous` is what one step back leads to.
"""

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from projections.sqlite_files import BUSY_S, SqliteFiles

FILE = "pointers.sqlite"
_TABLE = (
    "CREATE TABLE IF NOT EXISTS pointers (projection TEXT PRIMARY KEY, version INTEGER NOT NULL, "
    "previous INTEGER, switched_at INTEGER NOT NULL)"
)


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
        """The pointer, None while no version was ever live."""
        connection = self._files.get(self._path)
        return None if connection is None else _read(connection, projection)

    def set(self, projection: str, version: int) -> Pointer:
        """Make a version the live one; the one that was live becomes `previous`."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)) as connection:
            connection.execute(_TABLE)
            connection.execute(
                "INSERT INTO pointers VALUES (?1, ?2, NULL, ?3) ON CONFLICT (projection) DO UPDATE SET "
                "previous = version, version = ?2, switched_at = ?3 WHERE version <> ?2",
                (projection, version, time.time_ns() // 1000),
            )
            pointer = _read(connection, projection)
        assert pointer is not None
        return pointer

    def forget_previous(self, projection: str) -> None:
        """There is no way back any more."""
        with closing(sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)) as connection:
            connection.execute("UPDATE pointers SET previous = NULL WHERE projection = ?", (projection,))

    def close(self) -> None:
        """Close what any thread has opened."""
        self._files.close()


def _read(connection: sqlite3.Connection, projection: str) -> Pointer | None:
    query = "SELECT projection, version, previous, switched_at FROM pointers WHERE projection = ?"
    try:
        row = connection.execute(query, (projection,)).fetchone()
    except sqlite3.OperationalError:
        # Another process has made the file and not yet its table.
        return None
    return Pointer(*row) if row else None
