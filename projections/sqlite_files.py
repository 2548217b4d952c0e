"""Read-only SQLite connections, one a thread and file, opened again when the file was replaced."""

import os
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

BUSY_S = 5.0
# SQLITE_CORRUPT, NOTADB.
DAMAGED = frozenset({11, 26})
# SQLITE_BUSY, LOCKED, IOERR, CORRUPT, CANTOPEN, NOTADB.
UNREADABLE = frozenset({5, 6, 10, 11, 14, 26})


@dataclass(slots=True)
class Opened:
    """A connection and the file it was opened on (device, inode)."""

    connection: sqlite3.Connection
    file: tuple[int, int]


class SqliteFiles:
    """Connections that are kept; `get` may be called from any thread, `close` once no thread reads any more."""

    def __init__(self) -> None:
        self._threads = threading.local()
        self._all: list[sqlite3.Connection] = []

    def get(self, path: Path) -> sqlite3.Connection | None:
        """This thread's connection to a file, None when there is no such file."""
        try:
            status = os.stat(path)
        except FileNotFoundError:
            return None
        file = (status.st_dev, status.st_ino)
        known: dict[Path, Opened] = self._threads.__dict__.setdefault("known", {})
        opened = known.get(path)
        if opened is None or opened.file != file:
            if opened is not None:
                self._drop(opened)
            opened = known[path] = Opened(open_read_only(path), file)
            self._all.append(opened.connection)
        return opened.connection

    def close(self) -> None:
        """Close every thread's connections."""
        while self._all:
            self._all.pop().close()
        self._threads = threading.local()

    def _drop(self, opened: Opened) -> None:
        opened.connection.close()
        self._all.remove(opened.connection)


def open_read_only(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises sqlite3.OperationalError when there is no such file."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA query_only = 1")
    return connection


def damage(path: Path) -> str | None:
    """What is wrong with a file's pages, None when nothing is. Raises sqlite3.OperationalError."""
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as problem:
        return str(problem)
    return None if found == "ok" else str(found)
