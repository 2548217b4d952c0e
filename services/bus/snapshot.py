"""A stream as one run of bytes that JetStream writes and reads itself: sequences, times and gaps stay as they are.

nats-py has no call for `STREAM.SNAPSHOT` and `STREAM.RESTORE`, so both are asked of JetStream's API as it is.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from nats.aio.msg import Msg

from services.bus.connection import Connection, answer_of
from services.bus.errors import BusUnavailable, ServerRefused, SnapshotBroken
from services.bus.stream import StreamInfo

CHUNK = 128 * 1024
# What is sent and not acknowledged yet waits in our memory.
WINDOW = 8 * 1024 * 1024
# Checking every message comes before the first chunk.
SILENCE_S = 60.0
TICK_S = 0.5
# A server stores what a chunk completes before it answers, and gives the restore up when that takes it five seconds;
# small ones complete one block of its compression at most, which holds a mebibyte.
RESTORE_CHUNK = 16 * 1024
ENDED = frozenset({None, "204"})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A stream at one moment; `info`, `config` and `state` are JetStream's description of what `chunks` hold."""

    info: StreamInfo
    config: Mapping[str, Any]
    state: Mapping[str, Any]
    chunks: AsyncIterator[bytes]


@contextlib.asynccontextmanager
async def snapshot(link: Connection, stream: str) -> AsyncIterator[Snapshot]:
    """See `JetStreamBus.snapshot`."""
    arrived: asyncio.Queue[Msg | None] = asyncio.Queue()

    async def on_message(msg: Msg) -> None:
        arrived.put_nowait(msg)

    inbox, before = link.nc.new_inbox(), await link.api(f"STREAM.INFO.{stream}")
    sub = await link.subscribe(inbox, on_message)

    def on_change() -> None:
        arrived.put_nowait(None)

    link.on_change.add(on_change)
    try:
        subject = f"STREAM.SNAPSHOT.{stream}"
        asked = {
            "deliver_subject": inbox,
            "no_consumers": True,
            "jsck": True,
            "chunk_size": CHUNK,
            "window_size": WINDOW,
        }
        answer = answer_of(subject, await link.ask_once(f"$JS.API.{subject}", orjson.dumps(asked), SILENCE_S))
        info = StreamInfo.of({**answer, "created": before["created"]})
        yield Snapshot(info, answer["config"], answer["state"], _chunks(link, arrived))
    finally:
        link.on_change.discard(on_change)
        if not link.closed:
            await sub.unsubscribe()


async def _chunks(link: Connection, arrived: asyncio.Queue[Msg | None]) -> AsyncIterator[bytes]:
    """The bytes in order; each chunk is acknowledged once the caller comes for the next."""
    number = 0
    while True:
        msg = await _next(link, arrived)
        if not msg.data:
            headers = msg.headers or {}
            if headers.get("Status") not in ENDED:
                said = f"{headers.get('Status')} {headers.get('Description', '')}".strip()
                raise SnapshotBroken(f"the server gave the snapshot up: {said}")
            return
        number += 1
        # $JS.SNAPSHOT.ACK.<stream>.<id>.<size>.<number>; the last one may come without.
        if msg.reply and int(msg.reply.rpartition(".")[2]) != number:
            raise SnapshotBroken(f"chunk {number} of the snapshot was lost on its way")
        yield msg.data
        if msg.reply:
            await link.send(msg.reply, b"")


async def _next(link: Connection, arrived: asyncio.Queue[Msg | None]) -> Msg:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SILENCE_S
    while loop.time() < deadline:
        try:
            async with asyncio.timeout(TICK_S):
                msg = await arrived.get()
        except TimeoutError:
            if link.connected:
                continue
            msg = None
        if msg is None:
            raise BusUnavailable(f"the connection to {link.url} broke during the snapshot; begin again")
        return msg
    raise BusUnavailable(f"{link.url} sent nothing more of the snapshot for {SILENCE_S:g} s")


async def restore(
    link: Connection, stream: str, config: Mapping[str, Any], state: Mapping[str, Any], data: Iterable[bytes]
) -> StreamInfo:
    """See `JetStreamBus.restore`."""
    subject = f"STREAM.RESTORE.{stream}"
    asked = orjson.dumps({"config": config, "state": state})
    target = answer_of(subject, await link.ask_once(f"$JS.API.{subject}", asked, SILENCE_S))["deliver_subject"]
    for piece in data:
        for at in range(0, len(piece), RESTORE_CHUNK):
            msg = await link.ask_once(target, piece[at : at + RESTORE_CHUNK], SILENCE_S)
            if msg.data:
                answer_of(subject, msg)
                raise ServerRefused(f"{subject}: the server ended it early")
    return StreamInfo.of(answer_of(subject, await link.ask_once(target, b"", SILENCE_S)))
