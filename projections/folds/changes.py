"""What a fold asks of a sink: rows to put, patch or drop, people to erase, coalesced over a batch of events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from projections.folds.tables import Store, Table

Value = Any
Row = tuple[Value, ...]
Key = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Put:
    """A whole row, in column order, replacing the row of the same key."""

    table: Table
    row: Row


@dataclass(frozen=True, slots=True)
class Patch:
    """New values for some columns of the row with this key."""

    table: Table
    key: Key
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Drop:
    """The row with this key goes."""

    table: Table
    key: Key


@dataclass(frozen=True, slots=True)
class Erase:
    """Every row goes that is about a person, or names them."""

    table: Table
    user_id: str


Change = Put | Patch | Drop | Erase


@dataclass(slots=True)
class TableBatch:
    """The net effect of a batch on one table: erase and drop first, then put, then patch."""

    table: Table
    erased: dict[str, None] = field(default_factory=dict)
    drops: dict[Key, None] = field(default_factory=dict)
    puts: dict[Key, Row] = field(default_factory=dict)
    patches: dict[Key, dict[str, Value]] = field(default_factory=dict)

    def add(self, change: Change) -> None:
        if isinstance(change, Put):
            key = key_of(self.table, change.row)
            self.patches.pop(key, None)
            self.puts[key] = change.row
        elif isinstance(change, Drop):
            self.puts.pop(change.key, None)
            self.patches.pop(change.key, None)
            self.drops[change.key] = None
        elif isinstance(change, Erase):
            # Patches of their rows may stay: they find nothing any more.
            self.puts = {key: row for key, row in self.puts.items() if not names(self.table, row, change.user_id)}
            self.erased[change.user_id] = None
        elif change.key in self.puts:
            self.puts[change.key] = patched(self.table, self.puts[change.key], change.values)
        else:
            self.patches.setdefault(change.key, {}).update(change.values)


def coalesce(changes: Iterable[Change]) -> list[TableBatch]:
    """The net effect of changes made in order, one batch a table."""
    batches: dict[str, TableBatch] = {}
    collect(batches, changes, None)
    return list(batches.values())


def collect(batches: dict[str, TableBatch], changes: Iterable[Change], store: Store | None) -> None:
    """Add changes, in their order, to the batches (by table name) of the tables that a store keeps (None: of all)."""
    for change in changes:
        table = change.table
        if store is None or store in table.stores:
            batch = batches.get(table.name)
            if batch is None:
                batch = batches[table.name] = TableBatch(table)
            batch.add(change)


def key_of(table: Table, row: Row) -> Key:
    """The key columns of a row."""
    return row[: table.key_width]


def names(table: Table, row: Row, user_id: str) -> bool:
    """Whether a row goes with a person."""
    return table.erased_by is not None and row[table.position(table.erased_by)] == user_id


def patched(table: Table, row: Row, values: Mapping[str, Value]) -> Row:
    """A row with some columns replaced."""
    if not values:
        return row
    changed = list(row)
    for column, value in values.items():
        changed[table.position(column)] = value
    return tuple(changed)
