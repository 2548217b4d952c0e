"""A store's word: the digest of each of its tables and the checkpoint they belong to."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from projections.checkpoint import Checkpoint
from projections.folds.changes import Row
from projections.folds.digest import combined, hexadecimal, rows_digest
from projections.folds.tables import Table


@dataclass(frozen=True, slots=True)
class Digests:
    """Digests by table name, read in one transaction with the checkpoint (None before the first event)."""

    checkpoint: Checkpoint | None
    tables: dict[str, str]

    @property
    def digest(self) -> str:
        """One digest for all tables."""
        return combined(self.tables.items())


def digests_of(
    tables: Sequence[Table], user_id: str | None, rows: Callable[[Table, str | None], Iterable[Row]]
) -> dict[str, str]:
    """The digest of each table; of the tables about people, and only that person's rows, when `user_id` is given."""
    chosen = [table for table in tables if user_id is None or table.person is not None]
    return {table.name: hexadecimal(rows_digest(rows(table, user_id))) for table in chosen}
