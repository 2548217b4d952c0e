"""Events as rows of a Parquet file, written a row group at a time so that memory stays bounded."""

from types import TracebackType
from typing import IO, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from contracts.envelope import Entry
from services.exporting.lines import source_of, type_of

ROWS = 20_000
BYTES = 16 * 1024 * 1024
"""A row group is written once it has this many rows, or bodies of this many bytes."""

_MOMENT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("recorded_at", _MOMENT, nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("type", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string()),
        pa.field("time", _MOMENT, nullable=False),
        pa.field("user_id", pa.string()),
        pa.field("decision_id", pa.string()),
        pa.field("actor", pa.string()),
        pa.field("data", pa.string(), nullable=False),
    ]
)
"""`recorded_at` is the stream's time, `time` the one that the folds see; `data` is the body as it came, JSON text."""

REPEATING = ["subject", "type", "source", "user_id", "actor"]


def row(entry: Entry) -> tuple[Any, ...]:
    """An event in the order of `SCHEMA`."""
    return (
        entry.seq,
        entry.recorded_us,
        entry.raw.subject,
        type_of(entry),
        entry.event_id,
        source_of(entry),
        entry.occurred_us,
        entry.event.person(),
        getattr(entry.event, "decision_id", None),
        entry.actor,
        entry.raw.data.decode(),
    )


class ParquetRows:
    """Writes to an open file, which it leaves open; complete once its `with` has ended."""

    def __init__(self, file: IO[bytes]) -> None:
        # A dictionary of bodies would only be thrown away again: hardly two are equal.
        self._writer = pq.ParquetWriter(file, SCHEMA, compression="zstd", use_dictionary=REPEATING)
        self._rows: list[tuple[Any, ...]] = []
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._writer.close()

    def put(self, entry: Entry) -> None:
        """Add an event. Raises OSError when the file takes no more."""
        self._rows.append(row(entry))
        self._bytes += len(entry.raw.data)
        if len(self._rows) >= ROWS or self._bytes >= BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))
        self._rows, self._bytes = [], 0
