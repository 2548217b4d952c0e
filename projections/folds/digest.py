"""Digests of tables: the sum modulo 2^256 of the SHA-256 of each canonical row.

A sum does not depend on the order of rows, so it can be kept incrementally (add a row's hash, subtract it when the
row goes), restricted to one person, and compared across stores. Floats enter as their IEEE 754 bytes.
"""

import hashlib
import struct
from collections.abc import Iterable, Sequence

from projections.folds.changes import Row, Value
from projections.folds.tables import Table

MODULUS = 1 << 256


def canonical(value: Value) -> bytes:
    """One value as tagged, length-prefixed bytes that no other value shares."""
    if value is None:
        return b"n"
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, int):
        return b"i%d;" % value
    if isinstance(value, float):
        return b"d" + struct.pack(">d", value)
    if isinstance(value, str):
        raw = value.encode()
        return b"s%d:" % len(raw) + raw
    if isinstance(value, bytes):
        return b"b%d:" % len(value) + value
    if isinstance(value, list | tuple):
        return b"l%d:" % len(value) + b"".join(map(canonical, value))
    raise TypeError(f"a row may not hold a {type(value).__name__}")


def row_hash(row: Row) -> int:
    """The SHA-256 of a canonical row as an integer."""
    return int.from_bytes(hashlib.sha256(b"".join(map(canonical, row))).digest(), "big")


def rows_digest(rows: Iterable[Row]) -> int:
    """The digest of rows as an integer; 0 when there are none."""
    total = 0
    for row in rows:
        total += row_hash(row)
    return total % MODULUS


def hexadecimal(digest: int) -> str:
    """A digest as 64 hex digits."""
    return f"{digest:064x}"


def combined(digests: Iterable[tuple[str, str]]) -> str:
    """One digest for several tables: SHA-256 over their sorted (name, digest) pairs."""
    text = "".join(f"{name}={digest}\n" for name, digest in sorted(digests))
    return hashlib.sha256(text.encode()).hexdigest()


def of_person(table: Table, rows: Iterable[Row], user_id: str) -> Sequence[Row]:
    """The rows about one person; none when the table is not about people."""
    if table.person is None:
        return []
    position = table.position(table.person)
    return [row for row in rows if row[position] == user_id]
