"""A begun stream in memory and a small history that has been folded from it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.times import parse_time
from services.bootstrap import ensure_stream
from services.bus.memory import MemoryBus
from services.demo.history import History, Plan
from services.demo.present import Present
from services.settings import Settings
from tests.waiting import ManualClock

START_US = parse_time("2025-11-01T00:00:00Z")


@pytest.fixture
def clock() -> ManualClock:
    """Stands at the present: the stream's first events carry the time of the machine."""
    return ManualClock(time.time_ns())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a HOME of the test's own."""
    return Settings(home=tmp_path / "home")


@pytest.fixture
async def present(memory_bus: MemoryBus, settings: Settings) -> Present:
    """The first events of a stream, folded."""
    return await Present.of(memory_bus, await ensure_stream(memory_bus, settings))


@pytest.fixture
async def begin(memory_bus: MemoryBus, settings: Settings, clock: ManualClock) -> Callable[..., History]:
    """Makes a history from a freshly folded beginning, as often as it is called."""
    decoder = await ensure_stream(memory_bus, settings)
    last = (await memory_bus.info()).last_seq
    first = [record async for records in memory_bus.read(0, upto=last) for record in records]

    def make(plan: Plan, policy: str | None = None) -> History:
        present = Present(decoder)
        for record in first:
            present.fold(record)
        return History(plan, present, clock(), policy)

    return make
