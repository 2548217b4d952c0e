"""The bus on NATS JetStream: what `MemoryBus` does in one process, durable and between processes."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Self

import orjson

from contracts.envelope import Message, Recorded
from contracts.subjects import STREAM
from services.bus import reader, snapshot
from services.bus.connection import Connection
from services.bus.core import Core, Handler
from services.bus.errors import ServerRefused, StreamMissing
from services.bus.publisher import Publisher
from services.bus.snapshot import Snapshot
from services.bus.stream import DECLARED, Ack, StreamInfo, check_config, ranges, to_ns

DIRECT_HEADERS = ("Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp")
NAME_IN_USE = 10058
SEQUENCE_NOT_FOUND = 10043


class JetStreamBus:
    """One connection to one stream; `connect` makes it, `close` ends it."""

    def __init__(self, link: Connection, stream: str) -> None:
        self._link = link
        self._stream = stream
        self._core = Core(link)
        self._publisher = Publisher(link)

    @classmethod
    async def connect(cls, url: str, *, name: str, stream: str = STREAM, timeout: float | None = 10.0) -> Self:
        """Connect under `name`; later losses are mended for ever. BusUnavailable after `timeout` s (None: waits)."""
        bus = cls(await Connection.open(url, name=name, timeout=timeout), stream)
        await bus._publisher.start()
        return bus

    @property
    def connected(self) -> bool:
        """Whether the server is there now."""
        return self._link.connected

    @property
    def last_error(self) -> str | None:
        """The latest trouble with the server, None once it is mended."""
        return self._link.last_error

    @property
    def refusing(self) -> str | None:
        """Why the stream takes nothing although its server is there, None once it took something."""
        return self._publisher.refusals.current

    @property
    def server(self) -> str:
        """The server's release."""
        release = self._link.nc.connected_server_version
        return f"{release.major}.{release.minor}.{release.patch}"

    async def declare(self) -> StreamInfo:
        """Create the stream, or compare its settings with the code. Raises StreamMismatch, BusUnavailable."""
        try:
            answer = await self._link.api(f"STREAM.INFO.{self._stream}")
        except StreamMissing:
            try:
                answer = await self._link.api(f"STREAM.CREATE.{self._stream}", {"name": self._stream, **DECLARED})
            except ServerRefused as problem:
                if problem.code != NAME_IN_USE:
                    raise
                answer = await self._link.api(f"STREAM.INFO.{self._stream}")
        check_config(self._stream, answer["config"])
        return StreamInfo.of(answer)

    async def info(self) -> StreamInfo:
        """The stream's state now. Raises StreamMissing, BusUnavailable."""
        return StreamInfo.of(await self._link.api(f"STREAM.INFO.{self._stream}"))

    async def publish(self, message: Message, *, timeout: float | None = None) -> Ack:
        """Store one message and return its place; repeats under the same Nats-Msg-Id until that is certain.

        Raises BusUnavailable after `timeout` seconds (None: never; the message may be stored all the same),
        PublishRefused when it can never be stored, BusClosed.
        """
        return (await self._publisher.publish([message], timeout))[0]

    async def publish_all(self, messages: Sequence[Message]) -> list[Ack]:
        """Store any number in order, 1000 at a time in atomic batches (ADR-50), and return their places.

        Ids that the stream knows from its duplicate window (600 s) add nothing. Waits for the server for ever. Raises
        PublishRefused, of some of them, when one can never be stored.
        """
        return await self._publisher.publish_batches(messages)

    async def publish_batch(self, messages: Sequence[Message]) -> int:
        """As `publish_all`; the highest sequence, 0 for none."""
        return max((ack.seq for ack in await self.publish_all(messages)), default=0)

    def read(
        self, after: int, *, upto: int | None = None, subjects: Sequence[str] = ()
    ) -> AsyncIterator[list[Recorded]]:
        """Everything stored after `after`, in order and once, in lists; ends after `upto`, else waits for more.

        `subjects` (wildcards allowed) picks; deleted sequences are stepped over, see `missing`. Goes on through
        restarts of the server. Raises StreamMissing, StreamReplaced, BusClosed.
        """
        return reader.read(self._link, self._stream, after, upto, subjects)

    async def get(self, seq: int) -> Recorded | None:
        """The message at a sequence, None when there is none. Raises BusUnavailable."""
        msg = await self._link.ask(f"$JS.API.DIRECT.GET.{self._stream}", orjson.dumps({"seq": seq}))
        headers = dict(msg.headers or {})
        if "Nats-Sequence" not in headers:
            return None
        # The first that the server adds is lost where the message's own headers are none.
        headers.pop("Nats-Stream", None)
        subject, found, stored = (headers.pop(name) for name in DIRECT_HEADERS)
        return Recorded(int(found), to_ns(stored), subject, headers, msg.data)

    async def subjects(self, pattern: str) -> frozenset[str]:
        """The subjects under a pattern (wildcards allowed) that hold a message. Raises BusUnavailable."""
        found: set[str] = set()
        while True:
            asked = {"subjects_filter": pattern, "offset": len(found)}
            answer = await self._link.api(f"STREAM.INFO.{self._stream}", asked)
            page = answer["state"].get("subjects") or {}
            found.update(page)
            if not page or len(found) >= answer.get("total", 0):
                return frozenset(found)

    async def missing(self, first: int, last: int) -> list[tuple[int, int]]:
        """The inclusive ranges of [first, last] that were stored once and are gone. Raises BusUnavailable."""
        answer = await self._link.api(f"STREAM.INFO.{self._stream}", {"deleted_details": True})
        state = answer["state"]
        gone = range(first, min(last, state["last_seq"], state["first_seq"] - 1) + 1)
        inside = sorted(seq for seq in state.get("deleted") or () if first <= seq <= last)
        return ranges([*gone, *inside])

    async def delete(self, seq: int) -> None:
        """Remove one message and overwrite its bytes; nothing to do when it is gone. Raises BusUnavailable."""
        if await self.get(seq) is None:
            return
        try:
            await self._link.api(f"STREAM.MSG.DELETE.{self._stream}", {"seq": seq})
        except ServerRefused as problem:
            if problem.code != SEQUENCE_NOT_FOUND:
                raise

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """The stream as it is now, checked message by message, while others go on publishing.

        Raises StreamMissing, SnapshotBroken, ServerRefused, BusUnavailable, also while the chunks come.
        """
        return snapshot.snapshot(self._link, self._stream)

    async def restore(self, config: Mapping[str, Any], state: Mapping[str, Any], data: Iterable[bytes]) -> StreamInfo:
        """Make the stream of a snapshot's bytes, under a new `created`. Raises ServerRefused, BusUnavailable.

        What is there of the stream after an error is not whole.
        """
        return await snapshot.restore(self._link, self._stream, config, state, data)

    async def request(self, subject: str, data: bytes, timeout: float) -> bytes:
        """Ask another process, outside the stream. Raises NoAnswer, RequestFailed, BusUnavailable."""
        return await self._core.request(subject, data, timeout)

    async def respond(self, subject: str, handler: Handler) -> None:
        """Answer requests until the bus is closed, several at a time; a raised error reaches the asker."""
        await self._core.respond(subject, handler)

    async def tell(self, subject: str, data: bytes) -> None:
        """Say something to whoever listens now, outside the stream; lost while the server is away."""
        await self._core.tell(subject, data)

    def listen(self, subject: str) -> AsyncGenerator[tuple[str, bytes], None]:
        """(subject, data) of what is told from the first step on; ends when the bus is closed."""
        return self._core.listen(subject)

    async def close(self) -> None:
        """End readers, handlers and the connection; calls still waiting raise BusClosed."""
        self._core.close()
        await self._link.close()
        self._publisher.close()
