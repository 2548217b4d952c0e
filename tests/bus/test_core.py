"""Request, respond, tell and listen, the same on both buses."""

import asyncio
import logging

import pytest

from contracts.errors import TipstreamError
from services.bus.errors import NoAnswer, NoResponder, RequestFailed
from tests.bus.messages import Bus
from tests.waiting import until


class Unhappy(TipstreamError):
    """A handler's own error."""


async def test_a_request_gets_the_handlers_answer(bus: Bus) -> None:
    async def shout(data: bytes) -> bytes:
        return data.upper()

    await bus.respond("tipstream.shout", shout)
    assert await bus.request("tipstream.shout", b"hello", 5) == b"HELLO"
    assert (await bus.info()).messages == 0


async def test_a_slow_answer_does_not_hold_up_the_next(bus: Bus) -> None:
    gate = asyncio.Event()

    async def answer(data: bytes) -> bytes:
        if data == b"slow":
            await gate.wait()
        else:
            gate.set()
        return data

    await bus.respond("tipstream.work", answer)
    slow, quick = await asyncio.gather(
        bus.request("tipstream.work", b"slow", 10), bus.request("tipstream.work", b"quick", 10)
    )
    assert (slow, quick) == (b"slow", b"quick")


async def test_nobody_there_is_known_at_once(bus: Bus) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(NoResponder, match="nobody answers on tipstream"):
            await bus.request("tipstream.nobody", b"", 30)


async def test_an_answer_that_takes_too_long_is_given_up(bus: Bus) -> None:
    async def never(data: bytes) -> bytes:
        await asyncio.Event().wait()
        return data

    await bus.respond("tipstream.never", never)
    with pytest.raises(NoAnswer, match=r"within 0\.05 s") as given_up:
        await bus.request("tipstream.never", b"", 0.05)
    # Somebody is there, and may be at work on it.
    assert not isinstance(given_up.value, NoResponder)


async def test_a_handlers_own_error_reaches_the_asker(bus: Bus) -> None:
    async def refuse(data: bytes) -> bytes:
        raise Unhappy("no table of that name; see the list")

    await bus.respond("tipstream.refuse", refuse)
    with pytest.raises(RequestFailed, match="no table of that name; see the list"):
        await bus.request("tipstream.refuse", b"", 5)


async def test_a_broken_handler_is_logged_and_reported(bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(data: bytes) -> bytes:
        raise KeyError("x")

    await bus.respond("tipstream.broken", broken)
    with caplog.at_level(logging.ERROR), pytest.raises(RequestFailed, match="KeyError"):
        await bus.request("tipstream.broken", b"", 5)
    assert "handler of tipstream.broken failed" in caplog.text


async def test_listeners_hear_what_is_told(bus: Bus) -> None:
    heard: list[tuple[str, bytes]] = []

    async def follow() -> None:
        async for item in bus.listen("tipstream.progress.*"):
            heard.append(item)

    task = asyncio.create_task(follow())

    async def told_and_heard() -> bool:
        await bus.tell("tipstream.progress.first", b"0")
        return bool(heard)

    await until(told_and_heard)
    heard.clear()
    await bus.tell("tipstream.progress.ana", b"1")
    await bus.tell("tipstream.other", b"2")
    await bus.tell("tipstream.progress.ana", b"3")
    await until(lambda: ("tipstream.progress.ana", b"3") in heard)
    assert [item for item in heard if item[0] != "tipstream.progress.first"] == [
        ("tipstream.progress.ana", b"1"),
        ("tipstream.progress.ana", b"3"),
    ]
    await bus.close()
    await asyncio.wait_for(task, 5)


async def test_telling_nobody_is_fine(bus: Bus) -> None:
    await bus.tell("tipstream.progress.ana", b"1")


@pytest.mark.parametrize("subject", ["tips.scored.ana", "tips.>", ">", "*.scored.ana"])
async def test_the_streams_subjects_are_not_for_chatter(bus: Bus, subject: str) -> None:
    async def handler(data: bytes) -> bytes:
        return data

    with pytest.raises(ValueError, match="belongs to the stream"):
        await bus.tell(subject, b"")
    with pytest.raises(ValueError, match="belongs to the stream"):
        await bus.request(subject, b"", 1)
    with pytest.raises(ValueError, match="belongs to the stream"):
        await bus.respond(subject, handler)
    with pytest.raises(ValueError, match="belongs to the stream"):
        await anext(bus.listen(subject))
