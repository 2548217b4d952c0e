"""Connecting to a server that is not there, comes later, or hangs up; no socket is left behind."""

import asyncio
import logging

import pytest

from services.bus.errors import BusUnavailable
from services.bus.jetstream import JetStreamBus
from tests.bus.messages import message
from tests.servers import NatsServer
from tests.waiting import until


async def test_connecting_to_nobody_says_what_to_start(nats_server: NatsServer) -> None:
    nats_server.stop()
    started = asyncio.get_running_loop().time()
    with pytest.raises(BusUnavailable, match="tipstream up"):
        await JetStreamBus.connect(nats_server.url, name="test", timeout=0.5)
    assert asyncio.get_running_loop().time() - started < 3


async def test_connecting_may_be_cancelled(nats_server: NatsServer) -> None:
    nats_server.stop()
    connecting = asyncio.create_task(JetStreamBus.connect(nats_server.url, name="test", timeout=None))
    await asyncio.wait({connecting}, timeout=0.2)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(connecting, 5)


async def test_whoever_waits_for_ever_for_a_first_connection_says_so(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.bus.connection.PATIENCE_S", 0.3)
    nats_server.stop()
    connecting = asyncio.create_task(JetStreamBus.connect(nats_server.url, name="test", timeout=None))
    await until(lambda: f"waiting: no NATS server at {nats_server.url}" in caplog.text)
    await asyncio.to_thread(nats_server.start)
    await (await connecting).close()


async def test_a_server_that_goes_and_comes_back_is_told_of_once_each(
    nats_server: NatsServer, jetstream: JetStreamBus, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await asyncio.to_thread(nats_server.kill)
    await until(lambda: not jetstream.connected)
    await asyncio.to_thread(nats_server.start)
    await until(lambda: jetstream.connected)
    await jetstream.close()
    server = f"the NATS server at {nats_server.url} is"
    assert [line for line in caplog.messages if line.startswith(server)] == [
        f"{server} gone; waiting until it is back",
        f"{server} back",
    ]


async def test_connecting_waits_for_a_server_that_starts_later(nats_server: NatsServer) -> None:
    nats_server.stop()
    connecting = asyncio.create_task(JetStreamBus.connect(nats_server.url, name="test"))
    await asyncio.to_thread(nats_server.start)
    bus = await connecting
    await bus.declare()
    assert (await bus.publish(message(1))).seq == 1
    await bus.close()


async def test_sockets_of_reconnects_that_fail_half_way_are_closed(
    nats_server: NatsServer, jetstream: JetStreamBus
) -> None:
    greeted: list[asyncio.StreamWriter] = []

    async def greet_wrongly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeted.append(writer)
        writer.write(b"-ERR 'not today'\r\n")
        await reader.read()
        writer.close()

    await asyncio.to_thread(nats_server.kill)
    impostor = await asyncio.start_server(greet_wrongly, "127.0.0.1", nats_server.port)
    await until(lambda: len(greeted) >= 3)
    await until(lambda: all(writer.is_closing() for writer in greeted[:-1]))
    impostor.close()
    await asyncio.to_thread(nats_server.start)
    await until(lambda: jetstream.connected)
    await until(lambda: all(writer.is_closing() for writer in greeted))
