"""A stream that has begun: its first events are signed."""

from pathlib import Path
from time import time_ns

import pytest

from contracts.codec import Decoder
from services.bootstrap import ensure_stream
from services.bus.memory import MemoryBus
from services.settings import Settings
from tests.waiting import ManualClock


@pytest.fixture
async def decoder(memory_bus: MemoryBus, clock: ManualClock, tmp_path: Path) -> Decoder:
    """The decoder of `memory_bus`, once its first events stand there; they are signed with the time of day."""
    clock.now_ns = time_ns()
    return await ensure_stream(memory_bus, Settings(home=tmp_path / "home"))
