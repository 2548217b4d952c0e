"""Parity over a demo's log: every matrix made again from the tables has the digest that was logged.

`make bench BENCH_ARGS=parity` does the same over 50,000 decisions.
"""

import time
from collections import Counter
from pathlib import Path

import pytest

from contracts.events.person import TipScored
from contracts.times import parse_time
from ml.features.definitions import WELLBEING_V1
from ml.offline.decisions import offline_decisions
from projections.projector import Projector
from projections.sinks.duckdb import DuckdbSink
from services.bootstrap import ensure_stream
from services.bus.memory import MemoryBus
from services.demo.history import History, Plan
from services.demo.past import publish_past
from services.demo.present import Present
from services.settings import Settings

PLAN = Plan(seed=7, people=12, start_us=parse_time("2025-11-01T00:00:00Z"), days=20)


@pytest.mark.slow
async def test_every_offline_matrix_of_a_demo_has_the_digest_that_was_logged(tmp_path: Path) -> None:
    bus = MemoryBus(time.time_ns)
    history = History(PLAN, await Present.of(bus, await ensure_stream(bus, Settings(home=tmp_path))), time.time_ns())
    await publish_past(bus, history)
    sink = DuckdbSink(tmp_path / "rows.duckdb", {"threads": 1})
    await Projector(bus, sink, "duckdb").run(upto=(await bus.info()).last_seq)
    found, without = Counter[tuple[str, bool]](), 0
    with sink.cursor() as cursor:
        for decision in offline_decisions(cursor, WELLBEING_V1):
            found[decision.standing, decision.proven] += 1
            without += len(decision.context["signals"]) < len(WELLBEING_V1.signals)
    sink.close()
    assert found == {("exact", True): history.counts[TipScored.TYPE]}
    assert found.total() > 1000
    assert without > 100, "some people have not connected every source"
