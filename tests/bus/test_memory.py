"""The in-memory bus's own parts: its clock, its duplicate window, its subject filter."""

from services.bus.memory import MemoryBus
from tests.bus.messages import message, read_all
from tests.waiting import ManualClock


async def test_recorded_time_comes_from_the_clock(memory_bus: MemoryBus, clock: ManualClock) -> None:
    start = clock()
    await memory_bus.publish(message(1))
    clock.advance(2.5)
    await memory_bus.publish(message(2))
    assert [record.recorded_ns - start for record in await read_all(memory_bus, 0, 2)] == [0, 2_500_000_000]
    assert (await memory_bus.info()).created == "2026-01-01T00:00:00.000000Z"


async def test_an_id_is_known_for_ten_minutes(memory_bus: MemoryBus, clock: ManualClock) -> None:
    await memory_bus.publish(message(1))
    clock.advance(599)
    assert (await memory_bus.publish(message(1))).duplicate
    clock.advance(1)
    again = await memory_bus.publish(message(1))
    assert (again.seq, again.duplicate) == (2, False)
