"""The DuckDB store: set-based changes, many rows at once as Arrow, rows and checkpoint in one transaction.

Tables have no primary keys, which would halve inserts: rows of `append` tables above the checkpoint are new, all
others are looked up by key first. One connection writes; every read has a cursor of its own and a stable view.
"""

import itertools
import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple
from itertools import chain
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import duckdb
import pyarrow as pa

from contracts.errors import TipstreamError
from projections.checkpoint import Checkpoint
from projections.damage import StoreDamaged, damaged, noted, set_aside
from projections.folds.changes import Row, TableBatch
from projections.folds.projection import FOLD_VERSION
from projections.folds.tables import Kind, Table, tables_of
from projections.projector import SinkBusy
from projections.reports.report import Report
from projections.sinks.digests import Digests, digests_of
from projections.sinks.duckdb_schema import TYPES, create_tables, describe, described, empty_file
from projections.sinks.duckdb_views import VIEW_BY_NAME

ROWS_AT_ONCE = 5_000
FEW = 128
"""So many values stand in the statement itself; more in an Arrow table, whose first one costs 3 ms."""
PLACES = {kind: "make_timestamp(?)" if kind == "time" else f"CAST(? AS {name})" for kind, (name, _) in TYPES.items()}
CORRUPT = "Corrupt database file"

log = logging.getLogger(__name__)

# Counts the new files of this process: few make a second, and for one alone nothing is gained by a copy.
_new_files = itertools.count()


class AnalyticsInUse(TipstreamError):
    """Another process has this DuckDB file open; stop it first, each store has one owner."""


class UnknownView(TipstreamError):
    """There is no view of that name; the message lists those there are."""


class DuckdbSink:
    """Owns the file at `path`, which is made when absent and set aside when it cannot be read.

    `settings` are DuckDB's (`memory_limit`, `threads`, ...).
    """

    def __init__(self, path: Path, settings: Mapping[str, str | int] | None = None) -> None:
        self.path = path
        self._settings: dict[str, str | bool | int | float | list[str]] = {**(settings or {})}
        self._spawning = threading.Lock()
        # Whether there is nothing but this release's empty tables, which a reset need not make again.
        self._new = False
        # What cursors come from; it runs no statement itself, so that nobody waits for the writer.
        self.connection: duckdb.DuckDBPyConnection
        self._writer: duckdb.DuckDBPyConnection
        self._open()
        self._seq = self._stored_seq()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of one's own to the same database; close it after use."""
        with self._spawning:
            return self.connection.cursor()

    def checkpoint(self) -> Checkpoint | None:
        """What the file holds."""
        return _checkpoint(self._writer)

    def apply(self, batches: Sequence[TableBatch], checkpoint: Checkpoint) -> None:
        """Store rows and checkpoint, or nothing. Raises SinkBusy, StoreDamaged."""
        self._new = False
        with self._transaction():
            for batch in batches:
                self._write(batch)
            self._writer.execute("DELETE FROM checkpoints")
            self._writer.execute("INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(checkpoint))
        self._seq = checkpoint.seq

    def reset(self) -> None:
        """Empty the store."""
        if self._new:
            return
        with self._transaction():
            for kind in ("view", "table"):
                names = f"SELECT {kind}_name FROM duckdb_{kind}s() WHERE NOT internal AND NOT temporary"
                for (name,) in self._writer.execute(names).fetchall():
                    self._writer.execute(f'DROP {kind} "{name}"')
        self._create()
        self._seq = 0

    def rows(self, table: Table, user_id: str | None = None) -> Iterator[Row]:
        """A table's rows in order of their keys; one person's when `user_id` is given."""
        with self.cursor() as cursor:
            yield from _rows(cursor, table, user_id, f" ORDER BY {_listed(table.key)}")

    def proof(self, user_id: str | None = None) -> Digests:
        """The digest of each table and the checkpoint, as one transaction sees them; from any thread.

        Raises StoreDamaged.
        """
        with self._reading() as cursor:
            checkpoint = _checkpoint(cursor)
            digests = digests_of(tables_of("duckdb"), user_id, lambda table, person: _rows(cursor, table, person, ""))
            return Digests(checkpoint, digests)

    def digests(self, user_id: str | None = None) -> dict[str, str]:
        """The digest of each table."""
        return self.proof(user_id).tables

    def view(self, name: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Columns and the first rows of a view in its own order. Raises UnknownView."""
        view = VIEW_BY_NAME.get(name)
        if view is None:
            raise UnknownView(f"there is no view {name[:80]!r}; there are {', '.join(VIEW_BY_NAME)}")
        return self._first(limit, f"SELECT * FROM {view.name} ORDER BY {view.order}", {})

    def report(self, report: Report, values: Mapping[str, Any], limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Columns and the first rows of a report in its own order; `values` are bound by the report."""
        return self._first(limit, f"SELECT * FROM ({report.sql}) ORDER BY {report.order}", values)

    def relations(self) -> list[dict[str, Any]]:
        """Tables, then views: `name`, `kind`, `comment` and `columns` (`name`, `type`, `comment`) in their order."""
        found: dict[str, dict[str, Any]] = {}
        with self.cursor() as cursor:
            for kind in ("table", "view"):
                named = f"SELECT {kind}_name, comment FROM duckdb_{kind}s() WHERE NOT internal ORDER BY 1"
                for name, comment in cursor.execute(named).fetchall():
                    found[name] = {"name": name, "kind": kind, "comment": comment, "columns": []}
            columns = (
                "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
                "WHERE NOT internal ORDER BY table_name, column_index"
            )
            for relation, name, kind, comment in cursor.execute(columns).fetchall():
                if relation in found:
                    found[relation]["columns"].append({"name": name, "type": kind, "comment": comment})
        return list(found.values())

    def close(self) -> None:
        """Give the file up, all of it in one file again."""
        self._writer.close()
        self.connection.close()

    def _first(self, limit: int, query: str, values: Mapping[str, Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        with self._reading() as cursor:
            cursor.execute(f"{query} LIMIT {limit:d}", values)
            return [column[0] for column in cursor.description or ()], cursor.fetchall()

    def _open(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        existed = self.path.is_file()
        if existed and (problem := noted(self.path)):
            set_aside(self.path, problem)
        try:
            self._begin()
        except (duckdb.Error, StoreDamaged) as problem:
            passing = isinstance(problem, duckdb.OutOfMemoryException) or "No space left" in str(problem)
            if passing or not existed:
                raise
            set_aside(self.path, problem)
            self._begin()

    def _begin(self) -> None:
        """Connect and read what every start needs. Raises AnalyticsInUse, SinkBusy, StoreDamaged."""
        if not self.path.exists() and next(_new_files):
            self._copy_empty()
        try:
            self.connection = duckdb.connect(str(self.path), config=self._settings)
        except duckdb.Error as problem:
            if "lock on file" in str(problem):
                raise AnalyticsInUse(f"{self.path} is open in another process; stop it first ({problem})") from None
            raise
        try:
            self._writer = self.cursor()
            if not self._writer.execute("SELECT 1 FROM duckdb_tables() LIMIT 1").fetchone():
                self._create()
            elif (
                (held := _checkpoint(self._writer)) is not None
                and held.fold_version == FOLD_VERSION
                and not described(self._writer)
            ):
                with self._transaction():
                    describe(self._writer)
        except BaseException:
            self.connection.close()
            raise

    def _copy_empty(self) -> None:
        """Put an empty store there; where that fails, DuckDB makes the file or says what is wrong."""
        # A log left of a file that is gone would be played into the copy; DuckDB deletes it.
        if self.path.with_name(f"{self.path.name}.wal").exists():
            return
        with (
            suppress(OSError, duckdb.Error),
            NamedTemporaryFile(dir=self.path.parent, prefix=f"{self.path.name}.") as draft,
        ):
            draft.write(empty_file())
            draft.flush()
            os.fsync(draft.fileno())
            # A link, which never replaces what another process has made meanwhile.
            self.path.hardlink_to(draft.name)
            self._new = True

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor in a transaction of its own."""
        try:
            with self.cursor() as cursor:
                cursor.execute("BEGIN TRANSACTION READ ONLY")
                yield cursor
        except duckdb.Error as problem:
            if CORRUPT in str(problem) and isinstance(problem, duckdb.IOException | duckdb.FatalException):
                raise damaged(self.path, problem) from problem
            raise

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._writer.execute("BEGIN")
            try:
                yield
                self._writer.execute("COMMIT")
            except BaseException:
                self._undo()
                raise
        except (duckdb.OutOfMemoryException, duckdb.IOException) as problem:
            if CORRUPT in str(problem):
                raise damaged(self.path, problem) from problem
            raise SinkBusy(f"{self.path}: {problem}") from problem

    def _undo(self) -> None:
        try:
            self._writer.execute("ROLLBACK")
        except duckdb.TransactionException:
            # A COMMIT that failed has already ended its transaction.
            log.debug("nothing to roll back in %s", self.path)
        except duckdb.OutOfMemoryException:
            # An aborted transaction stays, and with it every later BEGIN fails; it ends with its connection.
            self._writer.close()
            self._writer = self.cursor()

    def _create(self) -> None:
        with self._transaction():
            create_tables(self._writer)
            describe(self._writer)
        self._new = True

    def _stored_seq(self) -> int:
        held = _checkpoint(self._writer)
        return held.seq if held is not None else 0

    def _write(self, batch: TableBatch) -> None:
        table = batch.table
        matches = " AND ".join(f't."{column}" = b."{column}"' for column in table.key)
        for user_id in batch.erased:
            self._writer.execute(f'DELETE FROM {table.name} WHERE "{table.erased_by}" = ?', [user_id])
        old = [key for key in batch.puts if not table.append or key[0] <= self._seq]
        if old or batch.drops:
            gone = {**batch.drops, **dict.fromkeys(old)}
            self._run(f"DELETE FROM {table.name} t USING {{rows}} WHERE {matches}", table, table.key, list(gone))
        if batch.puts:
            self._insert(table, list(batch.puts.values()))
        grouped: dict[tuple[str, ...], list[Row]] = {}
        for key, patch in batch.patches.items():
            # A key may stand among the columns: a patched row keeps it.
            values = {column: value for column, value in patch.items() if column not in table.key}
            grouped.setdefault(tuple(values), []).append((*key, *values.values()))
        for columns, rows in grouped.items():
            changed = ", ".join(f'"{column}" = b."{column}"' for column in columns)
            statement = f"UPDATE {table.name} t SET {changed} FROM {{rows}} WHERE {matches}"
            self._run(statement, table, (*table.key, *columns), rows)

    def _insert(self, table: Table, rows: list[Row]) -> None:
        if len(rows) * len(table.columns) <= FEW:
            self._run(f"INSERT INTO {table.name} SELECT * FROM {{rows}}", table, table.names, rows)
        else:
            # Without a name, which takes a third of the time again.
            self._writer.from_arrow(_arrow(table, table.names, rows)).insert_into(table.name)

    def _run(self, statement: str, table: Table, columns: Sequence[str], rows: list[Row]) -> None:
        """A statement that knows the rows, which stand in place of its `{rows}`, as `b`."""
        if len(rows) * len(columns) <= FEW:
            row = f"({', '.join(PLACES[kind] for kind in _kinds(table, columns))})"
            values = f"(VALUES {', '.join([row] * len(rows))}) AS b({_listed(columns)})"
            self._writer.execute(statement.format(rows=values), [*chain.from_iterable(rows)])
            return
        # A name that only the writer sees.
        self._writer.register("batch_rows", _arrow(table, columns, rows))
        try:
            self._writer.execute(statement.format(rows="batch_rows b"))
        finally:
            self._writer.unregister("batch_rows")


def _kinds(table: Table, columns: Sequence[str]) -> list[Kind]:
    kinds = dict(table.columns)
    return [kinds[column] for column in columns]


def _arrow(table: Table, columns: Sequence[str], rows: list[Row]) -> pa.Table:
    by_column = zip(_kinds(table, columns), zip(*rows, strict=True), strict=True)
    return pa.table([pa.array(values, type=TYPES[kind][1]) for kind, values in by_column], names=list(columns))


def _checkpoint(cursor: duckdb.DuckDBPyConnection) -> Checkpoint | None:
    try:
        row = cursor.execute(
            "SELECT stream, created, seq, recorded_ns, message_id, fold_version, feature_set FROM checkpoints"
        ).fetchone()
    except duckdb.CatalogException:
        # Another release's schema: nothing that can be gone on from.
        return None
    return Checkpoint(*row) if row else None


def _rows(cursor: duckdb.DuckDBPyConnection, table: Table, user_id: str | None, order: str) -> Iterator[Row]:
    columns = ", ".join(
        f'epoch_us("{name}") AS "{name}"' if kind == "time" else f'"{name}"' for name, kind in table.columns
    )
    query, values = f"SELECT {columns} FROM {table.name}", []
    if user_id is not None:
        query, values = f'{query} WHERE "{table.person}" = ?', [user_id]
    for batch in cursor.execute(query + order, values).to_arrow_reader(ROWS_AT_ONCE):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
