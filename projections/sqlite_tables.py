"""How the folds' tables lie in SQLite: their DDL, and rows to and from what SQLite can hold.

Lists are JSON text, times microseconds since 1970, booleans 0 and 1; what is read back equals what a fold wrote.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import orjson

from projections.folds.changes import Row
from projections.folds.tables import Kind, Table, tables_of

TYPES: dict[Kind, str] = {
    "text": "TEXT",
    "integer": "INTEGER",
    "float": "REAL",
    "boolean": "INTEGER",
    "time": "INTEGER",
    "json": "TEXT",
    "floats": "TEXT",
    "texts": "TEXT",
    "bytes": "BLOB",
}
CHECKPOINTS = (
    "CREATE TABLE checkpoints (stream TEXT, created TEXT, seq INTEGER, recorded_ns INTEGER, message_id TEXT, "
    "fold_version INTEGER, feature_set TEXT)"
)
CHECKPOINT_COLUMNS = "stream, created, seq, recorded_ns, message_id, fold_version, feature_set"


def schema() -> list[str]:
    """The statements that create every table and index of an empty database."""
    statements = [CHECKPOINTS]
    for table in tables_of("sqlite"):
        columns = ", ".join(f"{quoted(name)} {TYPES[kind]}" for name, kind in table.columns)
        statements.append(f"CREATE TABLE {table.name} ({columns}, PRIMARY KEY ({listed(table.key)}))")
        for columns_of_index in table.indexes:
            name = "_".join((table.name, *columns_of_index))
            statements.append(f"CREATE INDEX {name} ON {table.name} ({listed(columns_of_index)})")
    return statements


def quoted(name: str) -> str:
    """A column's name in SQL (`values` is a keyword)."""
    return f'"{name}"'


def listed(names: tuple[str, ...]) -> str:
    """Columns in SQL, separated by commas."""
    return ", ".join(map(quoted, names))


@cache
def to_sqlite(table: Table) -> Callable[[Row], Row]:
    """What turns a fold's row into SQLite's values."""
    lists = [position for position, (_, kind) in enumerate(table.columns) if kind in ("floats", "texts")]
    if not lists:
        return _same

    def converted(row: Row) -> Row:
        values = list(row)
        for position in lists:
            if values[position] is not None:
                values[position] = orjson.dumps(values[position]).decode()
        return tuple(values)

    return converted


@cache
def from_sqlite(table: Table) -> Callable[[Row], Row]:
    """What turns SQLite's values back into a fold's row."""
    readers = [(position, value_reader(kind)) for position, (_, kind) in enumerate(table.columns)]
    special = [(position, read) for position, read in readers if read is not None]
    if not special:
        return _same

    def converted(row: Row) -> Row:
        values = list(row)
        for position, read in special:
            if values[position] is not None:
                values[position] = read(values[position])
        return tuple(values)

    return converted


def value_reader(kind: Kind) -> Callable[[Any], Any] | None:
    """What turns one value of SQLite back, None when it is the same."""
    if kind == "boolean":
        return bool
    if kind in ("floats", "texts"):
        return orjson.loads
    return None


def _same(row: Row) -> Row:
    return row
