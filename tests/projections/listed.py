"""A stream in a list for projectors, and rows of stores side by side."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path

from contracts.codec import as_recorded, encode_signed
from contracts.envelope import Recorded
from contracts.events.admin import StreamStarted
from projections.folds.changes import Row
from projections.folds.tables import Table
from projections.projector import Projector, Source
from projections.sinks.duckdb import DuckdbSink
from projections.sinks.memory import MemorySink
from projections.sinks.snapshots import SnapshotFile
from projections.sinks.sqlite import SqliteSink
from services.bus.stream import StreamInfo
from tests.folds.log import DECODER, SIGNER, START_US, Log

AnySink = SqliteSink | DuckdbSink | MemorySink


class ListedStream:
    """Messages handed out `size` at a time, beginning with StreamStarted; `add` appends, `created` may be changed."""

    def __init__(self, records: Iterable[Recorded] = (), *, size: int = 1000) -> None:
        started = StreamStarted(
            stream="TIPS", key_id=SIGNER.key_id, public_key=base64.b64encode(SIGNER.public_key).decode()
        )
        message = encode_signed(
            started, event_id="started", source="/test", time_us=START_US, actor="system", signer=SIGNER
        )
        self.records = [as_recorded(message, 1, START_US * 1000)]
        self.created = DECODER.created
        self.size = size
        self._more = asyncio.Event()
        self.add(records)

    @property
    def last_seq(self) -> int:
        """The end of the stream."""
        return self.records[-1].seq

    def add(self, records: Iterable[Recorded]) -> None:
        """Append messages, under sequences of this stream."""
        self.records += [replace(record, seq=seq) for seq, record in enumerate(records, self.last_seq + 1)]
        self._more.set()
        self._more = asyncio.Event()

    async def info(self) -> StreamInfo:
        """As the bus says it."""
        return StreamInfo("TIPS", self.created, self.records[0].seq, self.last_seq, len(self.records), 0, 0)

    async def get(self, seq: int) -> Recorded | None:
        """The message at a sequence."""
        return next((record for record in self.records if record.seq == seq), None)

    async def read(self, after: int, *, upto: int | None = None) -> AsyncIterator[list[Recorded]]:
        """Everything after `after`; waits for more unless `upto` is reached."""
        while upto is None or after < upto:
            left = [record for record in self.records if record.seq > after and (upto is None or record.seq <= upto)]
            for start in range(0, len(left), self.size):
                yield left[start : start + self.size]
            after = max([after, *(record.seq for record in left)])
            if upto is not None and self.last_seq >= upto:
                return
            if self.last_seq <= after:
                await self._more.wait()


class HeldStream(ListedStream):
    """Holds back all but its first `size` messages until `let_go` is set."""

    def __init__(self, records: Iterable[Recorded], *, size: int) -> None:
        super().__init__(records, size=size)
        self.let_go = asyncio.Event()

    async def read(self, after: int, *, upto: int | None = None) -> AsyncIterator[list[Recorded]]:
        async for batch in super().read(after, upto=upto):
            yield batch
            await self.let_go.wait()


def stream_of(log: Log, *, size: int = 1000) -> ListedStream:
    """The stream that holds StreamStarted and what a log holds."""
    return ListedStream(log.records, size=size)


def open_sink(kind: str, folder: Path) -> AnySink:
    """A sink of a kind in a folder."""
    if kind == "sqlite":
        return SqliteSink(folder / "rows.sqlite")
    return DuckdbSink(folder / "rows.duckdb", {"threads": 1})


async def folded(stream: Source, sink: AnySink, *, upto: int | None = None, snapshot: Path | None = None) -> None:
    """Fold into a sink up to the end of the stream, or `upto`."""
    store = sink.store if isinstance(sink, MemorySink) else "sqlite" if isinstance(sink, SqliteSink) else "duckdb"
    file = SnapshotFile(snapshot) if snapshot is not None else None
    await Projector(stream, sink, store, file).run(upto=upto or (await stream.info()).last_seq)


def close(sink: AnySink) -> None:
    """Close a sink that has files."""
    if not isinstance(sink, MemorySink):
        sink.close()


def all_rows(sink: AnySink, tables: Iterable[Table]) -> dict[str, list[Row]]:
    """Every row by table, in order of the keys."""
    return {table.name: list(sink.rows(table)) for table in tables}
