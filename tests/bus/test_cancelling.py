"""A reader that is cancelled ends, also in the very step in which a message arrives."""

import asyncio

import pytest
from nats.aio.msg import Msg

from services.bus.jetstream import JetStreamBus
from services.bus.reader import Pull
from tests.bus.messages import messages


async def test_a_reader_cancelled_as_a_message_arrives_ends(
    jetstream: JetStreamBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read_for_ever() -> None:
        async for _ in jetstream.read(0):
            pass

    take_in = Pull._on_message

    async def take_in_and_cancel(pull: Pull, msg: Msg) -> None:
        await take_in(pull, msg)
        if msg.data:
            # Heartbeats come too, and would cancel it once more.
            reading.cancel()

    monkeypatch.setattr(Pull, "_on_message", take_in_and_cancel)
    reading = asyncio.create_task(read_for_ever())
    await jetstream.publish_all(messages(1))
    await asyncio.wait({reading}, timeout=3)
    monkeypatch.setattr(Pull, "_on_message", take_in)
    ended = reading.done()
    reading.cancel()
    await asyncio.wait({reading})
    assert ended, "the cancellation was lost"


async def test_a_question_cancelled_as_its_answer_arrives_ends(
    jetstream: JetStreamBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask_for_ever() -> None:
        while True:
            await jetstream.info()

    class Cancelling(dict[str, asyncio.Future[Msg]]):
        """What nats-py looks its waiting requests up in when an answer has come."""

        def get(self, token: str, default: asyncio.Future[Msg] | None = None) -> asyncio.Future[Msg] | None:  # type: ignore[override]
            asking.cancel()
            return super().get(token, default)

    nc = jetstream._link.nc
    monkeypatch.setattr(nc, "_resp_map", Cancelling(nc._resp_map))
    asking = asyncio.create_task(ask_for_ever())
    await asyncio.wait({asking}, timeout=3)
    ended = asking.done()
    monkeypatch.undo()
    while not asking.done():
        asking.cancel()
        await asyncio.wait({asking}, timeout=0.1)
    assert ended, "the cancellation was lost"
