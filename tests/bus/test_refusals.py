"""A stream that is there and stores nothing is told from one that stores."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from contracts.envelope import Message
from services.bus.embedded import write_config
from services.bus.errors import BusUnavailable
from services.bus.jetstream import JetStreamBus
from services.bus.refusals import KEPT_S, SILENT_S, Refusals
from tests import servers
from tests.bus.messages import message, read_all
from tests.servers import NatsServer
from tests.waiting import until

FULL = {"err_code": 10023, "description": "insufficient resources"}


class Clock:
    """Seconds that only move when told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def current(refusals: Refusals) -> str | None:
    """Read anew, for mypy, which takes a property for a value that stays."""
    return refusals.current


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_refusal_for_lack_of_room_holds_until_an_ack(clock: Clock) -> None:
    refusals = Refusals(clock)
    refusals.answered({"err_code": 10071, "description": "wrong last sequence"})
    assert current(refusals) is None
    refusals.answered(FULL)
    assert current(refusals) == "insufficient resources"
    refusals.answered(None)
    assert current(refusals) is None


def test_one_ack_that_is_late_is_no_sign_of_a_full_disk(clock: Clock) -> None:
    refusals = Refusals(clock)
    for _ in range(9):
        refusals.unanswered()
    assert current(refusals) is None
    clock.now += SILENT_S
    refusals.unanswered()
    assert current(refusals) == "no ack, though the server answers"
    refusals.forget()
    assert current(refusals) is None


def test_nobody_who_asks_again_leaves_it_open_after_a_minute(clock: Clock) -> None:
    refusals = Refusals(clock)
    refusals.answered(FULL)
    clock.now += KEPT_S
    assert current(refusals) is None


@pytest.fixture
def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bytes that a server started next may store, as they stand in its settings."""
    limit = ["1MB"]

    def write(*args: Any, **fields: Any) -> Path:
        config = write_config(*args, **fields)
        text = config.read_text()
        assert "max_file_store: 1PB" in text
        config.write_text(text.replace("1PB", limit[0]))
        return config

    monkeypatch.setattr(servers, "write_config", write)
    return limit


@asynccontextmanager
async def connected(server: NatsServer) -> AsyncIterator[JetStreamBus]:
    bus = await JetStreamBus.connect(server.url, name="test")
    await bus.declare()
    try:
        yield bus
    finally:
        await bus.close()


async def test_a_full_store_is_said_until_it_takes_messages_again(tmp_path: Path, limited: list[str]) -> None:
    server = NatsServer(tmp_path)
    server.start()
    try:
        async with connected(server) as bus:
            acked: list[int] = []

            async def fill() -> None:
                while True:
                    headers = {"Nats-Msg-Id": f"e{len(acked)}", "padding": "x" * 50_000}
                    acked.append((await bus.publish(Message("tips.scored.ana", headers, b"{}"), timeout=2)).seq)

            with pytest.raises(BusUnavailable, match="resources"):
                await fill()
            assert (bus.connected, bus.refusing) == (True, "insufficient resources")
            server.stop()
            limited[0] = "1PB"
            server.start()
            await until(lambda: bus.connected)
            more = await bus.publish(message(10_000))
            assert (more.duplicate, bus.refusing) == (False, None)
            assert [record.seq for record in await read_all(bus, 0, more.seq)] == [*acked, more.seq]
    finally:
        server.kill()
