"""Rows say which erasures were done before the log was read: whoever is erased later may be in the prior."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contracts.envelope import Message
from contracts.events.admin import UserErased
from ml.pipelines import steps
from ml.pipelines.run import Run
from projections.erasure import erased_upto
from projections.sinks.duckdb import DuckdbSink
from services.bus.memory import MemoryBus
from tests.folds.log import Log
from tests.offline.served import tables_of
from tests.pipelines.lives import life
from tests.waiting import ManualClock


def receipt(erasure_id: str) -> UserErased:
    return UserErased(erasure_id=erasure_id, ranges=[[1, 1]])


async def grow(bus: MemoryBus, log: Log) -> int:
    """Publish what a log holds beyond the bus; its last sequence."""
    there = (await bus.info()).last_seq
    await bus.publish_all([Message(one.subject, dict(one.headers), one.data) for one in log.records[there:]])
    return log.seq


async def test_an_erasure_is_done_once_its_request_is_gone(memory_bus: MemoryBus) -> None:
    log = Log()
    log.signal({"steps": 1.0})
    upto = await grow(memory_bus, log)
    seen = [await erased_upto(memory_bus, upto)]
    log.erase("zoe", "x1")
    request = await grow(memory_bus, log)
    # The receipt stands before anything goes, and the request goes last.
    log.admin(receipt("x1"))
    done = await grow(memory_bus, log)
    seen.append(await erased_upto(memory_bus, upto))
    # A fold of the request itself drops whoever it names.
    seen.append(await erased_upto(memory_bus, request))
    await memory_bus.delete(request)
    seen.append(await erased_upto(memory_bus, upto))
    assert seen == [0, 0, done, done]


async def test_an_erasure_while_the_log_is_read_is_a_later_one(
    memory_bus: MemoryBus, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = life().log
    clock.now_ns = log.now_us * 1000
    log.admin(receipt("x1"))
    before = await grow(memory_bus, log)

    @asynccontextmanager
    async def folded(*given: object) -> AsyncIterator[DuckdbSink]:
        log.admin(receipt("x2"))
        await grow(memory_bus, log)
        sink = tables_of(log.records[:before], tmp_path)
        yield sink
        sink.close()

    monkeypatch.setattr(steps, "folded_afresh", folded)
    run = Run("prior", "2026-01-01T00:00:00Z", before, 0, 7, "day", True, "code")
    rows = await steps.offline_features(memory_bus, run, lambda done, all_of_it: None)
    assert (len(rows), rows.erased_upto) == (120, before)
