"""Fetches a bounded answer: as rows that JSON can hold, or as a file with DuckDB's own types."""

import base64
import csv
import datetime as dt
import decimal
import io
import math
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet
from duckdb.sqltypes import DuckDBPyType

from projections.sql.guard import bracketed
from projections.sql.records import File, Form, Result

_AT_ONCE, _IN_BATCH = 64, 256
_EXACT = 2**53
# What Parquet has no type for, or pyarrow no way to write.
_TEXT_IN_PARQUET = re.compile(r"INTERVAL|UNION\(|TIME WITH TIME ZONE|BIT|BIGNUM|VARIANT|GEOMETRY")
_FIXED_LIST = re.compile(r"\[\d+\]")
_NESTED = re.compile(r"\]$|^STRUCT\(")
_TIME = re.compile("DATE|TIME|INTERVAL")
_STAMPS = frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"})
_TIMES = frozenset({"DATE", "TIME", "TIME_NS", "TIME WITH TIME ZONE", "INTERVAL"})


def fetch(cursor: duckdb.DuckDBPyConnection, body: str, *, rows: int, size: int, heed: Callable[[], None]) -> Result:
    """The answer of a checked SELECT, cut at `rows` rows and at `size` bytes of JSON; `heed` stops it on the way.

    The transaction is read-only, so that not even a mistake of the guard could write.
    """
    started_ns = time.perf_counter_ns()
    columns, types = _described(cursor, body, rows)
    cursor.execute(bracketed(body, rows + 1, _listed(_shown, types)))
    answer: list[list[object]] = []
    taken, cut = 0, None
    while cut is None and (batch := cursor.fetchmany(_AT_ONCE)):
        for row in batch:
            heed()
            values = [jsonable(value) for value in row]
            taken += len(orjson.dumps(values)) + 1
            cut = _cut(len(answer), rows, taken, size)
            if cut:
                break
            answer.append(values)
    return Result(columns, types, answer, cut, _since(started_ns))


@dataclass(frozen=True, slots=True)
class Batches:
    """An answer as an Arrow table, to be written as a file; `cut` as in `Result`."""

    table: pa.Table
    cut: str | None
    duration_us: int


def fetch_table(
    cursor: duckdb.DuckDBPyConnection, body: str, form: Form, *, rows: int, size: int, heed: Callable[[], None]
) -> Batches:
    """The same answer with the types that the file will have, cut at `size` bytes in memory."""
    started_ns = time.perf_counter_ns()
    columns, types = _described(cursor, body, rows)
    cast = _in_csv if form == "csv" else _in_parquet
    cursor.execute(bracketed(body, rows + 1, _listed(cast, types)))
    reader = cursor.to_arrow_reader(_IN_BATCH)
    batches: list[pa.RecordBatch] = []
    taken, count, cut = 0, 0, None
    for batch in _read(reader):
        heed()
        cut = _cut(count + batch.num_rows - 1, rows, taken + batch.nbytes, size)
        fitting = batch.slice(0, rows - count)
        while fitting.num_rows > (0 if count else 1) and taken + fitting.nbytes > size:
            fitting = fitting.slice(0, fitting.num_rows // 2)
        taken, count = taken + fitting.nbytes, count + fitting.num_rows
        batches.append(fitting)
        if cut:
            break
    table = pa.Table.from_batches(batches, reader.schema).rename_columns(list(_told_apart(columns)))
    return Batches(table, cut, _since(started_ns))


def write_file(answer: Batches, form: Form) -> File:
    """CSV (RFC 4180, UTF-8, a head line, quotes where needed, NULL as nothing) or Parquet with the table's types."""
    content = io.BytesIO()
    if form == "csv":
        # Arrow would quote every text.
        text = io.TextIOWrapper(content, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text)
        writer.writerow(answer.table.column_names)
        for batch in answer.table.to_batches():
            writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))
        text.detach()
    else:
        pyarrow.parquet.write_table(answer.table, content, compression="zstd")
    return File(content.getvalue(), answer.table.num_rows, answer.cut, answer.duration_us)


def _read(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The batches; what DuckDB raises on the way comes through Arrow as another error, and goes on as DuckDB's."""
    try:
        yield from reader
    except (OSError, pa.ArrowException) as error:
        broken = str(error).startswith(("FATAL", "INTERNAL"))
        raise (duckdb.FatalException if broken else duckdb.Error)(str(error)) from error


def _described(cursor: duckdb.DuckDBPyConnection, body: str, rows: int) -> tuple[list[str], list[str]]:
    cursor.execute("BEGIN TRANSACTION READ ONLY")
    described = cursor.execute(f"DESCRIBE {bracketed(body, rows)}").fetchall()
    return [str(row[0]) for row in described], [str(row[1]) for row in described]


def _listed(show: Callable[[int, str], str], types: list[str]) -> str:
    return ", ".join(show(position, kind) for position, kind in enumerate(types, start=1))


def _cut(index: int, rows: int, taken: int, size: int) -> str | None:
    """Why the answer ends before the row of this index, None when it does not; a first row always fits."""
    if index >= rows:
        return f"only the first {rows:,} rows were asked for"
    if taken > size and index:
        return f"only {size >> 20} MiB are answered at once"
    return None


def _since(started_ns: int) -> int:
    return (time.perf_counter_ns() - started_ns) // 1000


def _in_csv(position: int, kind: str) -> str:
    return f"({_shown(position, kind)})::VARCHAR"


def _in_parquet(position: int, kind: str) -> str:
    if _TEXT_IN_PARQUET.search(kind):
        return f"#{position}::VARCHAR"
    if _FIXED_LIST.search(kind):
        return f"#{position}::{_FIXED_LIST.sub('[]', kind)}"
    return f"#{position}"


def _told_apart(names: list[str]) -> Iterator[str]:
    # A file with two columns of one name can hardly be read again.
    seen: set[str] = set()
    for name in names:
        number, given = 1, name
        while given in seen:
            given, number = f"{name}_{number}", number + 1
        seen.add(given)
        yield given


def _shown(position: int, kind: str) -> str:
    return _as_text(f"#{position}", _type_of(kind) if _NESTED.search(kind) and _TIME.search(kind) else kind)


def _type_of(kind: str) -> DuckDBPyType | str:
    try:
        return DuckDBPyType(kind)
    except duckdb.Error:
        # DuckDB does not read its own word for a struct without names.
        return kind


def _as_text(value: str, kind: object, depth: int = 0) -> str:
    """The value with its times as text, those in lists and structs too.

    As text, times keep what Python's types lose (infinity, nanoseconds, months), and none needs a zone database.
    """
    name, inner = str(kind), f"v{depth}"
    if not _TIME.search(name):
        return value
    if isinstance(kind, DuckDBPyType) and kind.id in ("list", "array"):
        return f"list_transform({value}, lambda {inner}: {_as_text(inner, kind.children[0][1], depth + 1)})"
    if isinstance(kind, DuckDBPyType) and kind.id == "struct":
        fields = ", ".join(
            f"{_quoted(field)} := {_as_text(f'struct_extract_at({inner}, {place})', child, depth + 1)}"
            for place, (field, child) in enumerate(kind.children, 1)
        )
        # The lambda names the value, which is told once however many fields it has.
        packed = f"CASE WHEN {inner} IS NOT NULL THEN struct_pack({fields}) END"
        return f"list_transform([{value}], lambda {inner}: {packed})[1]"
    if name == "TIMESTAMP WITH TIME ZONE":
        return f"regexp_replace(replace({value}::VARCHAR, ' ', 'T'), '[+]00$', 'Z')"
    if name in _STAMPS:
        return f"replace({value}::VARCHAR, ' ', 'T')"
    return f"{value}::VARCHAR" if name in _TIMES else value


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def jsonable(value: object) -> object:
    """`value` as JSON can hold it without loss: what a double cannot hold exactly becomes a string.

    Blobs become base64, times inside maps RFC 3339, maps lists of pairs unless their keys are strings.
    """
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if -_EXACT <= value <= _EXACT else str(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            return value.total_seconds()
        case decimal.Decimal() | uuid.UUID():
            return str(value)
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode()
        case list() | tuple():
            return [jsonable(item) for item in value]
        case dict():
            if all(isinstance(key, str) for key in value):
                return {key: jsonable(item) for key, item in value.items()}
            return [[jsonable(key), jsonable(item)] for key, item in value.items()]
        case _:
            return str(value)
