"""Fetches a bounded answer and turns DuckDB's values into what JSON can hold."""

import base64
import datetime as dt
import decimal
import math
import time
import uuid

import duckdb

from projections.sql.guard import bracketed
from projections.sql.records import Result

_AT_ONCE = 256
_EXACT = 2**53


def fetch(cursor: duckdb.DuckDBPyConnection, body: str, *, rows: int, size: int) -> Result:
    """The answer of a checked SELECT, cut at `rows` rows and at about `size` bytes.

    The transaction is read-only, so that not even a mistake of the guard could write.
    """
    started_ns = time.perf_counter_ns()
    cursor.execute("BEGIN TRANSACTION READ ONLY")
    described = cursor.execute(f"DESCRIBE {bracketed(body, rows)}").fetchall()
    columns, types = [str(row[0]) for row in described], [str(row[1]) for row in described]
    shown = ", ".join(_shown(position, kind) for position, kind in enumerate(types, start=1))
    cursor.execute(bracketed(body, rows + 1, shown))
    answer: list[list[object]] = []
    taken, truncated = 0, False
    while not truncated and (batch := cursor.fetchmany(_AT_ONCE)):
        for row in batch:
            values = [jsonable(value) for value in row]
            taken += sum(_size(value) for value in values)
            truncated = len(answer) == rows or (taken > size and bool(answer))
            if truncated:
                break
            answer.append(values)
    return Result(columns, types, answer, truncated, (time.perf_counter_ns() - started_ns) // 1000)


def _shown(position: int, kind: str) -> str:
    # As text, times keep what Python's types lose (infinity, nanoseconds, months), and none needs a zone database.
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"regexp_replace(replace(#{position}::VARCHAR, ' ', 'T'), '[+]00$', 'Z')"
    if kind.startswith("TIMESTAMP"):
        return f"replace(#{position}::VARCHAR, ' ', 'T')"
    if "WITH TIME ZONE" in kind or kind == "INTERVAL" or kind.startswith(("DATE", "TIME")):
        return f"#{position}::VARCHAR"
    return f"#{position}"


def jsonable(value: object) -> object:
    """`value` as JSON can hold it without loss: what a double cannot hold exactly becomes a string.

    Blobs become base64, times inside lists RFC 3339, maps lists of pairs unless their keys are strings.
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


def _size(value: object) -> int:
    match value:
        case str():
            return len(value)
        case list():
            return 2 + sum(_size(item) for item in value)
        case dict():
            return 2 + sum(len(key) + _size(item) for key, item in value.items())
        case _:
            return 8
