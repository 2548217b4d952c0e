"""Decisions that the stream has not taken yet: a local queue on disk, drained in order once the bus is back.

SQLite with `synchronous=FULL`: a decision that was answered with `logged: false` outlives a crash and a power cut.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import orjson

from contracts.envelope import Message
from contracts.errors import TipstreamError
from services.publishing import now_us

# Once the stream takes every decision none is kept, and nothing would end what the last write met.
KEPT_S = 60.0

_TABLES = """
CREATE TABLE IF NOT EXISTS outbox (
    place INTEGER PRIMARY KEY AUTOINCREMENT, decision_id TEXT NOT NULL UNIQUE, kept_us INTEGER NOT NULL,
    subject TEXT NOT NULL, headers BLOB NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS refused (
    place INTEGER PRIMARY KEY, decision_id TEXT NOT NULL,
    subject TEXT NOT NULL, headers BLOB NOT NULL, data BLOB NOT NULL, reason TEXT NOT NULL);
"""


class OutboxBroken(TipstreamError):
    """A decision could be neither logged nor kept: see the disk that holds HOME/outbox, then try again."""

    def __init__(
        self, path: Path, error: Exception, said: str = "the decision could be neither logged nor kept"
    ) -> None:
        super().__init__(f"{said}: {path}: {error}")


class OutboxClosed(OutboxBroken):
    """The outbox cannot be opened; it may hold decisions that people saw, so it is not set aside by itself."""

    REMEDY = "make {path} readable again, or move it away to go on without the decisions that wait in it"

    def __init__(self, path: Path, error: Exception) -> None:
        super().__init__(path, error, "the outbox cannot be opened, and may hold decisions that people saw")
        self.remedy = self.REMEDY.format(path=path)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message in the queue, its `place` rising with the time it came."""

    place: int
    decision_id: str
    message: Message


class Outbox:
    """The queue in one SQLite file; calls block for a disk write, each one at a time, from any thread.

    `len`, `in`, `oldest_us`, `refused` and `unwritable` are answered from memory.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises OutboxClosed."""
        self.path = path
        self._failed: tuple[float, str] | None = None
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            path.chmod(0o600)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_TABLES)
            self._ids = {row[0] for row in self._db.execute("SELECT decision_id FROM outbox")}
            self._oldest_us = self._oldest()
            self.refused: int = self._db.execute("SELECT count(*) FROM refused").fetchone()[0]
        except (OSError, sqlite3.Error) as error:
            if hasattr(self, "_db"):
                self._db.close()
            raise OutboxClosed(path, error) from error

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, decision_id: str) -> bool:
        return decision_id in self._ids

    def append(self, decision_id: str, message: Message) -> None:
        """Keep a message behind all others; on disk when this returns. Raises OutboxBroken."""
        self.append_all([(decision_id, message)])

    def append_all(self, messages: Sequence[tuple[str, Message]]) -> None:
        """Keep several in this order, all or none, at the price of one. Raises OutboxBroken."""
        kept_us, columns = now_us(), "decision_id, kept_us, subject, headers, data"
        rows: list[tuple[object, ...]] = [
            (decision_id, kept_us, message.subject, orjson.dumps(message.headers), message.data)
            for decision_id, message in messages
        ]
        self._change((f"INSERT INTO outbox ({columns}) VALUES (?, ?, ?, ?, ?)", rows))
        self._ids |= {decision_id for decision_id, _ in messages}

    def find(self, decision_id: str) -> Message | None:
        """The message of a decision that waits here."""
        rows = self._select("WHERE decision_id = ?", (decision_id,))
        return rows[0].message if rows else None

    def first(self, limit: int) -> list[Waiting]:
        """The messages that came first, in order. Raises OutboxBroken."""
        return self._select("ORDER BY place LIMIT ?", (limit,))

    def oldest_us(self) -> int | None:
        """When the message that waits longest was kept (microseconds since 1970)."""
        return self._oldest_us

    @property
    def unwritable(self) -> str | None:
        """Why nothing can be kept, as the last write met it within a minute; None when it succeeded."""
        if self._failed is None or monotonic() - self._failed[0] > KEPT_S:
            return None
        return self._failed[1]

    def remove(self, waiting: Sequence[Waiting]) -> None:
        """Forget messages that the stream has acknowledged. Raises OutboxBroken."""
        self._change(("DELETE FROM outbox WHERE place = ?", [(one.place,) for one in waiting]))
        self._ids -= {one.decision_id for one in waiting}

    def refuse(self, waiting: Waiting, reason: str) -> None:
        """Put aside a message that the stream will never take, so that it does not hold up the others."""
        columns = "place, decision_id, subject, headers, data"
        self._change(
            (f"INSERT INTO refused SELECT {columns}, ? FROM outbox WHERE place = ?", [(reason, waiting.place)]),
            ("DELETE FROM outbox WHERE place = ?", [(waiting.place,)]),
        )
        self._ids.discard(waiting.decision_id)
        self.refused += 1

    def forget(self, subject: str) -> None:
        """Delete what is put aside under a subject, and every byte of what was ever deleted. Raises OutboxBroken."""
        self._change(("DELETE FROM refused WHERE subject = ?", [(subject,)]))
        try:
            self.refused = self._db.execute("SELECT count(*) FROM refused").fetchone()[0]
            # Rewrites the file without its free pages, and the log beside it, where both still hold old rows.
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise OutboxBroken(self.path, error) from error

    def close(self) -> None:
        """Close the file; what waits is found again at the next start."""
        self._db.close()

    def _select(self, clause: str, values: tuple[object, ...]) -> list[Waiting]:
        try:
            rows = self._db.execute(f"SELECT place, decision_id, subject, headers, data FROM outbox {clause}", values)
            return [Waiting(row[0], row[1], Message(row[2], orjson.loads(row[3]), row[4])) for row in rows]
        except sqlite3.Error as error:
            raise OutboxBroken(self.path, error) from error

    def _oldest(self) -> int | None:
        row = self._db.execute("SELECT kept_us FROM outbox ORDER BY place LIMIT 1").fetchone()
        return None if row is None else int(row[0])

    def _change(self, *statements: tuple[str, list[tuple[object, ...]]]) -> None:
        """Run statements, each with many rows of values, in one transaction."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for statement, rows in statements:
                self._db.executemany(statement, rows)
            self._db.execute("COMMIT")
            self._failed = None
            self._oldest_us = self._oldest()
        except sqlite3.Error as error:
            self._failed = (monotonic(), f"{self.path}: {error}")
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise OutboxBroken(self.path, error) from error
