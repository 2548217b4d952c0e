"""The outbox under load: it empties while callers keep coming, in order and without loss."""

import asyncio
from collections.abc import Sequence

import pytest

from contracts.envelope import Message
from services.bus.stream import Ack
from tests.servers import NatsServer
from tests.serving.scorers import Running, decisions_in
from tests.waiting import until

CALLERS = 40


@pytest.mark.parametrize("slow_s", [0.0, 0.15])
async def test_the_outbox_empties_while_callers_keep_coming(
    scorer: Running, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch, slow_s: float
) -> None:
    """Also on a stream that takes longer for a portion than a caller waits for it."""
    await scorer.score()
    bus = scorer.scorer.delivery.bus
    assert bus is not None
    publish_all = bus.publish_all

    async def slowly(messages: Sequence[Message]) -> list[Ack]:
        await asyncio.sleep(slow_s)
        return await publish_all(messages)

    monkeypatch.setattr(bus, "publish_all", slowly)
    nats_server.kill()
    await until(lambda: not scorer.scorer.delivery.connected)
    done = asyncio.Event()
    answered: list[str] = []

    async def call() -> None:
        while not done.is_set():
            answered.append((await scorer.score())["decision_id"])

    callers = [asyncio.create_task(call()) for _ in range(CALLERS)]
    await until(lambda: len(scorer.scorer.delivery.outbox) > 5 * CALLERS)
    nats_server.start()
    try:
        await scorer.until_drained()
    finally:
        done.set()
        await asyncio.gather(*callers)
    assert (await scorer.score())["logged"]
    await scorer.until_drained()
    logged = [event.decision_id for _, event in await decisions_in(scorer.bus)]
    assert len(logged) == len(set(logged)) == len(answered) + 2
    assert set(answered) <= set(logged)


async def test_calls_at_the_same_time_share_a_write(scorer: Running, nats_server: NatsServer) -> None:
    nats_server.kill()
    await until(lambda: not scorer.scorer.delivery.connected)
    writes: list[int] = []
    delivery = scorer.scorer.delivery
    outbox, trace = delivery.outbox, delivery.outbox._db.set_trace_callback
    # In the thread that uses the file: elsewhere SQLite would wait for a callback, which waits for the interpreter.
    await delivery._on_disk(lambda: trace(lambda said: writes.append(1) if said.startswith("COMMIT") else None))
    answers = await asyncio.gather(*(scorer.score() for _ in range(CALLERS)))
    await delivery._on_disk(lambda: trace(None))
    assert len(outbox) == CALLERS
    assert 1 <= len(writes) < CALLERS / 2
    assert len({answer["decision_id"] for answer in answers}) == CALLERS
    # So that the scorer can end.
    nats_server.start()
