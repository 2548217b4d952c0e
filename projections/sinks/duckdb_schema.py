"""What a DuckDB store is made of: its tables, the views over them, and the comments that say what they mean."""

import hashlib
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa

from projections.folds.tables import Kind, tables_of
from projections.sinks.duckdb_comments import COLUMNS, TABLES
from projections.sinks.duckdb_views import VIEWS

TYPES: dict[Kind, tuple[str, Any]] = {
    "text": ("VARCHAR", pa.string()),
    "integer": ("BIGINT", pa.int64()),
    "float": ("DOUBLE", pa.float64()),
    "boolean": ("BOOLEAN", pa.bool_()),
    "time": ("TIMESTAMP", pa.timestamp("us")),
    "json": ("VARCHAR", pa.string()),
    "floats": ("DOUBLE[]", pa.list_(pa.float64())),
    "texts": ("VARCHAR[]", pa.list_(pa.string())),
    "bytes": ("BLOB", pa.binary()),
}
CHECKPOINTS = (
    "CREATE TABLE checkpoints (stream VARCHAR, created VARCHAR, seq BIGINT, recorded_ns BIGINT, message_id VARCHAR, "
    "fold_version INTEGER, feature_set VARCHAR)"
)
# A macro, since that is neither a table nor a view to those who look for what there is to read.
_WORD = "described_by"


def create_tables(cursor: duckdb.DuckDBPyConnection) -> None:
    """Make every table in an empty database."""
    statements = [CHECKPOINTS]
    for table in tables_of("duckdb"):
        columns = ", ".join(f'"{name}" {TYPES[kind][0]}' for name, kind in table.columns)
        statements.append(f"CREATE TABLE {table.name} ({columns})")
    cursor.execute(";".join(statements))


def describe(cursor: duckdb.DuckDBPyConnection) -> None:
    """Make the views, say of tables and columns what they mean, and leave word that this release did."""
    cursor.execute(";".join(f"CREATE OR REPLACE VIEW {view.name} AS {view.sql}" for view in VIEWS))
    comments = [f"VIEW {view.name} IS {_quoted(view.comment)}" for view in VIEWS]
    comments += [f"TABLE {table} IS {_quoted(comment)}" for table, comment in TABLES.items()]
    columns = "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal"
    for relation, column in cursor.execute(columns).fetchall():
        if comment := COLUMNS.get(f"{relation}.{column}") or COLUMNS.get(column, ""):
            comments.append(f'COLUMN "{relation}"."{column}" IS {_quoted(comment)}')
    # In one go: two hundred statements of their own take twice as long.
    cursor.execute(";".join(f"COMMENT ON {comment}" for comment in comments))
    cursor.execute(f"CREATE OR REPLACE MACRO {_WORD}() AS {_quoted(_digest())}")


def described(cursor: duckdb.DuckDBPyConnection) -> bool:
    """Whether `describe` would change nothing: it takes most of a start."""
    try:
        return cursor.execute(f"SELECT {_WORD}()").fetchall() == [(_digest(),)]
    except duckdb.CatalogException:
        return False


@cache
def empty_file() -> bytes:
    """What a new database file holds after both: to copy it and open the copy takes a quarter of the time."""
    with TemporaryDirectory(prefix="tipstream-") as folder:
        path = Path(folder) / "empty.duckdb"
        with duckdb.connect(path, config={"threads": 1}) as connection:
            create_tables(connection)
            describe(connection)
        return path.read_bytes()


def _digest() -> str:
    """One value for all that `describe` says; DuckDB's version too, which keeps views in words of its own."""
    said = (duckdb.__version__, VIEWS, TABLES, COLUMNS)
    return hashlib.sha256(repr(said).encode()).hexdigest()


def _quoted(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))
