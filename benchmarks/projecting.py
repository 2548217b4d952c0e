"""From the stream to rows: our projector into SQLite and DuckDB, every table, learning and joins; rivals beside it.

Each piece of work is a whole projection of the same real events into an empty store, its start included.
"""

import tempfile
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

from numpy import median

from benchmarks import rivals
from benchmarks.events import Log, demo_log
from benchmarks.figures import Figures, times
from benchmarks.measure import Work, in_turns, ratio
from benchmarks.options import Options
from benchmarks.server import nats_server
from projections.folds.tables import Store
from projections.projector import Projector
from projections.sinks.duckdb import DuckdbSink
from projections.sinks.sqlite import SqliteSink
from services.bus.jetstream import JetStreamBus

SQLITE, DUCKDB = "tipstream: stream -> SQLite, 16 tables", "tipstream: stream -> DuckDB, 11 tables"
MOST_EVENTS = 10_000
TARGETS = {(SQLITE, "eventsourcing"): 10.0, (SQLITE, "FastStream"): 3.0, (DUCKDB, "eventsourcing"): 15.0}


async def run(options: Options) -> list[Figures]:
    """One table; ratios are ours to the rival's."""
    log = await demo_log(min(options.events, MOST_EVENTS))
    figures = Figures(
        "projecting",
        f"From the stream to rows: events a second ({len(log.messages):,} events of {log.mean_bytes:,.0f} bytes)",
        ("what", "events/s", "ours to SQLite / it", "ours to DuckDB / it"),
    )
    async with AsyncExitStack() as held:
        server = held.enter_context(nats_server("interval"))
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        bus = await JetStreamBus.connect(server.url, name="benchmark")
        held.push_async_callback(bus.close)
        await bus.declare()
        last = await bus.publish_batch(log.messages)
        cases = _ours(bus, last, folder) | _rivals(log, server.url, last, folder, figures)
        rates = await in_turns(cases, turns=options.turns, slice_s=options.slice_s)
    figures.notes.append("the rivals write one row an event and neither join nor learn; ours write every table")
    for name, each in rates.items():
        against = {ours: ratio(rates, ours, name) for ours in (SQLITE, DUCKDB)}
        figures.add(name, float(median(each)), *map(times, against.values()))
        for ours, value in against.items():
            if value < TARGETS.get((ours, name), 0.0):
                figures.notes.append(f"MISSED {ours} / {name}: {times(value)}, wanted {times(TARGETS[ours, name])}")
    return [figures]


def _ours(bus: JetStreamBus, last: int, folder: Path) -> dict[str, Work]:
    numbers = count()

    async def learn() -> int:
        await Projector(bus, None, None).run(upto=last)
        return last

    async def to_sqlite() -> int:
        sink = SqliteSink(folder / f"rows-{next(numbers)}.sqlite")
        return await _into(sink, "sqlite")

    async def to_duckdb() -> int:
        sink = DuckdbSink(folder / f"rows-{next(numbers)}.duckdb", {"threads": 1})
        return await _into(sink, "duckdb")

    async def _into(sink: SqliteSink | DuckdbSink, store: Store) -> int:
        projector = Projector(bus, sink, store)
        await projector.run(upto=last)
        assert projector.seq == last
        sink.close()
        return last

    return {"tipstream: stream -> learned sums": learn, SQLITE: to_sqlite, DUCKDB: to_duckdb}


def _rivals(log: Log, url: str, last: int, folder: Path, figures: Figures) -> dict[str, Work]:
    cases: dict[str, Work] = {}
    for rival in rivals.RIVALS:
        if rivals.absent(rival):
            figures.skip(rival, "not installed (extra `bench`)")
        elif rival == "eventsourcing":
            cases[rival] = rivals.eventsourcing_projection(log.messages[:2000], folder)
        else:
            cases[rival] = lambda: rivals.faststream_projection(url, last, folder)
    return cases
