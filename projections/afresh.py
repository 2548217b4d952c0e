"""The DuckDB read model folded afresh into a file of one's own, for work that may not hold up the live ones."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from projections.projector import Projector
from projections.sinks.duckdb import DuckdbSink
from projections.sinks.versions import DUCKDB_SETTINGS
from services.bootstrap import Bus

TELL_S = 0.25

Progress = Callable[[int, int], None]
"""Called with the events folded so far and all that there are."""


@asynccontextmanager
async def folded_afresh(bus: Bus, progress: Progress, upto: int | None = None) -> AsyncIterator[DuckdbSink]:
    """The tables of the log up to `upto` (None: its end now), gone with the context.

    Raises NotTipstream, BusUnavailable.
    """
    last = (await bus.info()).last_seq if upto is None else upto
    with tempfile.TemporaryDirectory(prefix="tipstream-") as folder:
        sink = DuckdbSink(Path(folder) / "rows.duckdb", DUCKDB_SETTINGS)
        try:
            projector = Projector(bus, sink, "duckdb")
            folding = asyncio.create_task(projector.run(upto=last))
            try:
                while not folding.done():
                    progress(projector.state.seq, last)
                    await asyncio.wait({folding}, timeout=TELL_S)
            finally:
                # The file is closed next: nothing may write to it any more.
                folding.cancel()
                await asyncio.wait({folding})
            folding.result()
            progress(last, last)
            yield sink
        finally:
            sink.close()
