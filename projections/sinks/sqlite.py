"""The SQLite store: rows and checkpoint in one transaction, in WAL mode, so that readers are never in the way.

`synchronous=NORMAL`: a power failure may take the last transactions, each whole with its checkpoint, and they are
folded again from the stream; waiting for the disk at each would buy nothing.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple
from pathlib import Path

from contracts.errors import TipstreamError
from projections.checkpoint import Checkpoint
from projections.damage import damaged, noted, set_aside
from projections.folds.changes import Row, TableBatch
from projections.folds.tables import Table, tables_of
from projections.projector import SinkBusy
from projections.sinks.digests import Digests, digests_of
from projections.sqlite_files import DAMAGED, damage, open_read_only
from projections.sqlite_tables import CHECKPOINT_COLUMNS, from_sqlite, listed, quoted, schema, to_sqlite

# SQLITE_BUSY, LOCKED, NOMEM, IOERR, FULL: what a later try may find mended.
PASSING = frozenset({5, 6, 7, 10, 13})
_READ_CHECKPOINT = f"SELECT {CHECKPOINT_COLUMNS} FROM checkpoints"


class StoreInUse(TipstreamError):
    """Another process writes this store; stop it first, each store has one owner."""


class SqliteSink:
    """Owns the file at `path`, which is made when absent and set aside when it is no database."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = self._open()
        self._seq = self._stored_seq()

    def checkpoint(self) -> Checkpoint | None:
        """What the file holds."""
        return _checkpoint(self.connection)

    def apply(self, batches: Sequence[TableBatch], checkpoint: Checkpoint) -> None:
        """Store rows and checkpoint, or nothing. Raises SinkBusy, StoreInUse, StoreDamaged."""
        with self._judged():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                if self._stored_seq() != self._seq:
                    raise StoreInUse(f"{self.path} was written by another process; stop it first")
                for batch in batches:
                    _write(self.connection, batch)
                self.connection.execute("DELETE FROM checkpoints")
                self.connection.execute("INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(checkpoint))
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
        self._seq = checkpoint.seq

    def reset(self) -> None:
        """Empty the store."""
        self.connection.execute("BEGIN IMMEDIATE")
        for (name,) in self.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            self.connection.execute(f"DROP TABLE {quoted(name)}")
        _create(self.connection)
        self.connection.execute("COMMIT")
        self._seq = 0

    def rows(self, table: Table, user_id: str | None = None) -> Iterator[Row]:
        """A table's rows in order of their keys; one person's when `user_id` is given."""
        with closing(open_read_only(self.path)) as connection:
            yield from _rows(connection, table, user_id, f" ORDER BY {listed(table.key)}")

    def proof(self, user_id: str | None = None) -> Digests:
        """The digest of each table and the checkpoint, as one transaction sees them; from any thread.

        Raises StoreDamaged.
        """
        with self._judged(), closing(open_read_only(self.path)) as connection:
            connection.execute("BEGIN")
            checkpoint = _checkpoint(connection)
            digests = digests_of(
                tables_of("sqlite"), user_id, lambda table, person: _rows(connection, table, person, "")
            )
            return Digests(checkpoint, digests)

    def digests(self, user_id: str | None = None) -> dict[str, str]:
        """The digest of each table."""
        return self.proof(user_id).tables

    def close(self) -> None:
        """Give the file up, all of it in one file again."""
        self.connection.close()

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.path.is_file() and (problem := noted(self.path) or damage(self.path)):
            set_aside(self.path, problem)
        return _connect(self.path)

    @contextmanager
    def _judged(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as problem:
            code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
            if code in DAMAGED:
                raise damaged(self.path, problem) from problem
            if code in PASSING:
                raise SinkBusy(f"{self.path}: {problem}") from problem
            raise

    def _stored_seq(self) -> int:
        try:
            row = self.connection.execute("SELECT max(seq) FROM checkpoints").fetchone()
        except sqlite3.OperationalError:
            return 0
        return row[0] or 0


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 8000")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("BEGIN IMMEDIATE")
        if not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            _create(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection) -> None:
    for statement in schema():
        connection.execute(statement)


def _checkpoint(connection: sqlite3.Connection) -> Checkpoint | None:
    try:
        row = connection.execute(_READ_CHECKPOINT).fetchone()
    except sqlite3.OperationalError:
        # Another release's schema: nothing that can be gone on from.
        return None
    return Checkpoint(*row) if row else None


def _rows(connection: sqlite3.Connection, table: Table, user_id: str | None, order: str) -> Iterator[Row]:
    query = f"SELECT {listed(table.names)} FROM {table.name}"
    values: tuple[str, ...] = ()
    if user_id is not None:
        assert table.person is not None
        query, values = f"{query} WHERE {quoted(table.person)} = ?", (user_id,)
    return map(from_sqlite(table), connection.execute(query + order, values))


def _write(connection: sqlite3.Connection, batch: TableBatch) -> None:
    table = batch.table
    where = " AND ".join(f"{quoted(column)} = ?" for column in table.key)
    if batch.erased:
        assert table.erased_by is not None
        people = [(user_id,) for user_id in batch.erased]
        connection.executemany(f"DELETE FROM {table.name} WHERE {quoted(table.erased_by)} = ?", people)
    if batch.drops:
        connection.executemany(f"DELETE FROM {table.name} WHERE {where}", batch.drops)
    if batch.puts:
        connection.executemany(_put(table), map(to_sqlite(table), batch.puts.values()))
    grouped: dict[tuple[str, ...], list[Row]] = {}
    for key, values in batch.patches.items():
        grouped.setdefault(tuple(values), []).append((*values.values(), *key))
    for columns, rows in grouped.items():
        assignments = ", ".join(f"{quoted(column)} = ?" for column in columns)
        connection.executemany(f"UPDATE {table.name} SET {assignments} WHERE {where}", rows)


def _put(table: Table) -> str:
    places = ", ".join("?" * len(table.names))
    insert = f"INSERT INTO {table.name} ({listed(table.names)}) VALUES ({places})"
    changed = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in table.names if name not in table.key)
    return f"{insert} ON CONFLICT ({listed(table.key)}) DO UPDATE SET {changed}"
