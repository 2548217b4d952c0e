"""Rows in dictionaries: the store of proofs and tests, which must equal the others row by row."""

from collections.abc import Iterable, Iterator, Sequence

from projections.checkpoint import Checkpoint
from projections.folds.changes import Change, Drop, Erase, Key, Put, Row, TableBatch, key_of, names, patched
from projections.folds.digest import of_person
from projections.folds.tables import TABLES, Store, Table, tables_of
from projections.sinks.digests import Digests, digests_of


class MemorySink:
    """The tables of one store, of all stores when `store` is None."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store
        self.tables: tuple[Table, ...] = TABLES if store is None else tables_of(store)
        self._rows: dict[str, dict[Key, Row]] = {table.name: {} for table in self.tables}
        self._checkpoint: Checkpoint | None = None

    def checkpoint(self) -> Checkpoint | None:
        """What the last `apply` said."""
        return self._checkpoint

    def apply(self, batches: Sequence[TableBatch], checkpoint: Checkpoint | None = None) -> None:
        """Take in a batch; tables of other stores are passed over."""
        for batch in batches:
            rows = self._rows.get(batch.table.name)
            if rows is None:
                continue
            for user_id in batch.erased:
                _erase(batch.table, rows, user_id)
            for key in batch.drops:
                rows.pop(key, None)
            rows.update(batch.puts)
            for key, values in batch.patches.items():
                if key in rows:
                    rows[key] = patched(batch.table, rows[key], values)
        self._checkpoint = checkpoint or self._checkpoint

    def take(self, changes: Iterable[Change]) -> None:
        """Take in the changes of one message, in their order."""
        for change in changes:
            rows = self._rows[change.table.name]
            if isinstance(change, Put):
                rows[key_of(change.table, change.row)] = change.row
            elif isinstance(change, Drop):
                rows.pop(change.key, None)
            elif isinstance(change, Erase):
                _erase(change.table, rows, change.user_id)
            elif change.key in rows:
                rows[change.key] = patched(change.table, rows[change.key], change.values)

    def reset(self) -> None:
        """Begin anew."""
        self._rows = {table.name: {} for table in self.tables}
        self._checkpoint = None

    def rows(self, table: Table, user_id: str | None = None) -> Iterator[Row]:
        """A table's rows in order of their keys; one person's when `user_id` is given."""
        rows = [row for _, row in sorted(self._rows[table.name].items())]
        yield from rows if user_id is None else of_person(table, rows, user_id)

    def proof(self, user_id: str | None = None) -> Digests:
        """The digest of each table, with the checkpoint."""
        return Digests(self._checkpoint, digests_of(self.tables, user_id, self.rows))

    def digests(self, user_id: str | None = None) -> dict[str, str]:
        """The digest of each table."""
        return self.proof(user_id).tables


def _erase(table: Table, rows: dict[Key, Row], user_id: str) -> None:
    for key in [key for key, row in rows.items() if names(table, row, user_id)]:
        del rows[key]
