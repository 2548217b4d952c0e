"""A stream folded into its tables in memory, to see what an import made of it."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from contracts.codec import Decoder
from contracts.signing import NO_TRUST
from projections.folds.changes import Drop, Key, Patch, Put, Row, key_of, patched
from projections.folds.projection import State, fold
from projections.folds.tables import Table
from services.bus.jetstream import JetStreamBus
from services.bus.memory import MemoryBus

Rows = dict[str, dict[Key, dict[str, Any]]]
Fold = Callable[[JetStreamBus | MemoryBus], Coroutine[Any, Any, Rows]]


@pytest.fixture
def folded() -> Fold:
    """Folds everything a bus holds; rows by table and key, as dictionaries."""
    return folded_rows


async def folded_rows(bus: JetStreamBus | MemoryBus) -> Rows:
    """Everything a bus holds, signed events aside."""
    info = await bus.info()
    decoder = Decoder(info.created, NO_TRUST)
    state = State()
    tables: dict[Table, dict[Key, Row]] = {}
    async for records in bus.read(0, upto=info.last_seq):
        for record in records:
            for change in fold(state, decoder.decode(record))[1]:
                rows = tables.setdefault(change.table, {})
                if isinstance(change, Put):
                    rows[key_of(change.table, change.row)] = change.row
                elif isinstance(change, Drop):
                    del rows[change.key]
                elif isinstance(change, Patch):
                    rows[change.key] = patched(change.table, rows[change.key], change.values)
    return {
        table.name: {key: dict(zip(table.names, row, strict=True)) for key, row in rows.items()}
        for table, rows in tables.items()
    }
