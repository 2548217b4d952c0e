"""Are the offline features those that were served? A demo's decisions made again from the read model's tables alone."""

import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.figures import Figures
from benchmarks.options import Options
from contracts.events.person import TipScored
from contracts.times import parse_time
from ml.features.definitions import WELLBEING_V1
from ml.offline.decisions import offline_decisions
from ml.policies.kernel import warm_up
from projections.projector import Projector
from projections.sinks.duckdb import DuckdbSink
from services.bootstrap import ensure_stream
from services.bus.memory import MemoryBus
from services.demo.history import History, Plan
from services.demo.past import publish_past
from services.demo.present import Present
from services.settings import Settings

START_US = parse_time("2025-11-01T00:00:00Z")
DAYS = 30
DECISIONS_A_DAY = 4.8
"""How many decisions a simulated person asks for, a little below what they do."""


async def run(options: Options) -> list[Figures]:
    """One table: how many matrices are, bit for bit, the ones that were scored."""
    figures = Figures(
        "parity",
        "Offline features: matrices made again by point-in-time joins, against the digests in the log",
        ("decisions", "events", "number", "equal x_digest", "share %", "as of model_seq", "seconds", "decisions / s"),
    )
    with tempfile.TemporaryDirectory() as folder:
        people = max(2, round(options.events / (DAYS * DECISIONS_A_DAY)))
        await _measure(Path(folder), Plan(7, people, START_US, DAYS), figures)
    return [figures]


async def _measure(folder: Path, plan: Plan, figures: Figures) -> None:
    warm_up()
    bus = MemoryBus(time.time_ns)
    history = History(plan, await Present.of(bus, await ensure_stream(bus, Settings(home=folder))), time.time_ns())
    await publish_past(bus, history)
    last = (await bus.info()).last_seq
    sink = DuckdbSink(folder / "rows.duckdb", {"threads": 1})
    await Projector(bus, sink, "duckdb").run(upto=last)
    begun, found = time.perf_counter(), Counter[str]()
    with sink.cursor() as cursor:
        for decision in offline_decisions(cursor, WELLBEING_V1):
            found["proven" if decision.proven else "other"] += 1
            found[decision.standing] += 1
    took = time.perf_counter() - begun
    sink.close()
    made = history.counts[TipScored.TYPE]
    figures.add(
        f"a demo of {plan.people} people, {plan.days} days", last, made, found["proven"],
        f"{found['proven'] / made:.2%}", found["exact"], took, made / took,
    )  # fmt: skip
    if found["proven"] != made:
        figures.notes.append(f"MISSED: {made - found['proven']:,} decisions have another matrix than was scored")
