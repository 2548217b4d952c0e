"""Reading: an ephemeral consumer, two overlapping pulls on one inbox, and a check that nothing was skipped."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence

import orjson
from nats.aio.msg import Msg
from nats.errors import Error

from contracts.envelope import Recorded
from services.bus.connection import Connection
from services.bus.errors import BusClosed, BusUnavailable, ServerRefused, StreamReplaced
from services.bus.stream import StreamInfo

SECOND = 1_000_000_000
BATCH = 2000
PULL = orjson.dumps(
    {"batch": BATCH, "expires": 30 * SECOND, "idle_heartbeat": 2 * SECOND, "max_bytes": 8 * 1024 * 1024}
)
SILENCE_S = 5.0
TICK_S = 0.25
# A list is handed over once it is this long or the end of the stream is reached, so that a fold commits in bulk
# while it catches up and at once when it has.
LIST = 1000
# No more is asked for while this much waits for the caller; what two pulls may still bring comes on top.
MAX_WAITING = 4000
MAX_WAITING_BYTES = 32 * 1024 * 1024

log = logging.getLogger(__name__)


class Pull:
    """One ephemeral consumer; `broken` says why it must be replaced, what it holds by then is still good."""

    def __init__(self, link: Connection, stream: str, after: int, subjects: Sequence[str]) -> None:
        self._link = link
        self._inbox = link.nc.new_inbox()
        self._name = "read-" + self._inbox.rpartition(".")[2]
        self._where = f"{stream}.{self._name}"
        self._stream, self._after, self._subjects = stream, after, subjects
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._buffer: list[Recorded] = []
        self._bytes = 0
        self._asked = 0
        self._consumer_seq = 0
        self._heard = self._loop.time()
        self.broken: str | None = None

    async def open(self) -> None:
        """Create the consumer and ask for the first messages. Raises BusUnavailable, ServerRefused."""
        self._sub = await self._link.subscribe(self._inbox, self._on_message)
        self._link.on_change.add(self._on_change)
        config = {
            "name": self._name,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._after + 1,
            "ack_policy": "none",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": 60 * SECOND,
            "filter_subjects": list(self._subjects),
        }
        try:
            await self._link.api(f"CONSUMER.CREATE.{self._where}", {"stream_name": self._stream, "config": config})
        except BaseException:
            await self.close()
            raise
        await self._ask()

    async def next(self) -> list[Recorded]:
        """What has arrived, in order, waiting a little when nothing has; may be empty."""
        if not self._ready.is_set() and self.broken is None:
            # Not `wait_for`: before Python 3.12 it loses a cancellation that comes as the event is set.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._ready.wait()
        self._ready.clear()
        batch, self._buffer, self._bytes = self._buffer, [], 0
        await self._ask()
        if not batch and self._asked and self._loop.time() - self._heard > SILENCE_S:
            self._break("heartbeats stopped")
        return batch

    async def exhausted(self, upto: int) -> bool:
        """Whether the stream has reached `upto` and nothing of it is left to deliver."""
        try:
            if StreamInfo.of(await self._link.api(f"STREAM.INFO.{self._stream}")).last_seq < upto:
                return False
            info = await self._link.api(f"CONSUMER.INFO.{self._where}")
        except (BusUnavailable, ServerRefused) as problem:
            self._break(str(problem))
            return False
        delivered: int = info["delivered"]["consumer_seq"]
        return not info["num_pending"] and delivered == self._consumer_seq and not self._buffer

    async def close(self) -> None:
        """Give the consumer back; the server would drop it after a minute anyway."""
        self._link.on_change.discard(self._on_change)
        with contextlib.suppress(Error):
            await self._sub.unsubscribe()
        await self._link.send(f"$JS.API.CONSUMER.DELETE.{self._where}", b"", self._inbox)

    async def _on_message(self, msg: Msg) -> None:
        self._heard = self._loop.time()
        # $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>, with a domain and an
        # account in front of the stream where those are in use.
        token = msg.reply.split(".")
        if len(token) < 9:
            await self._on_status(msg.headers or {})
            return
        at = 5 if len(token) == 9 else 7
        if self.broken is not None:
            return
        self._consumer_seq += 1
        if int(token[at + 1]) != self._consumer_seq:
            self._break(f"delivery {token[at + 1]} came where {self._consumer_seq} was due")
            return
        self._asked -= 1
        self._bytes += len(msg.data)
        buffer = self._buffer
        buffer.append(Recorded(int(token[at]), int(token[at + 2]), msg.subject, msg.headers or {}, msg.data))
        if token[at + 3] == "0" or len(buffer) >= LIST:
            self._ready.set()
        if self._asked <= BATCH:
            await self._ask()

    async def _on_status(self, headers: dict[str, str]) -> None:
        if headers.get("Status") == "100":
            return
        left = headers.get("Nats-Pending-Messages")
        if left is None:
            self._break(f"{headers.get('Status')} {headers.get('Description')}")
            return
        self._asked -= int(left)
        await self._ask()

    async def _ask(self) -> None:
        """Keep two pulls open while the caller keeps up."""
        while (
            self._asked <= BATCH
            and len(self._buffer) < MAX_WAITING
            and self._bytes < MAX_WAITING_BYTES
            and self.broken is None
        ):
            self._asked += BATCH
            self._heard = self._loop.time()
            if not await self._link.send(f"$JS.API.CONSUMER.MSG.NEXT.{self._where}", PULL, self._inbox):
                self._break("not connected")

    def _on_change(self) -> None:
        self._break("the connection was renewed")

    def _break(self, why: str) -> None:
        if self.broken is None:
            self.broken = why
            self._ready.set()


async def read(
    link: Connection, stream: str, after: int, upto: int | None, subjects: Sequence[str]
) -> AsyncIterator[list[Recorded]]:
    """See `JetStreamBus.read`."""
    if upto is not None and upto <= after:
        return
    created: str | None = None
    pull: Pull | None = None
    try:
        while True:
            if pull is None:
                pull, created = await _open(link, stream, after, subjects, created)
            batch = await pull.next()
            if batch:
                after = batch[-1].seq
                if upto is None or after < upto:
                    yield batch
                    continue
                if wanted := [record for record in batch if record.seq <= upto]:
                    yield wanted
                return
            if pull.broken is None and upto is not None and await pull.exhausted(upto):
                return
            if pull.broken is not None:
                log.info("reading on after %d with a new consumer: %s", after, pull.broken)
                await pull.close()
                pull = None
    finally:
        if pull is not None:
            await pull.close()


async def _open(
    link: Connection, stream: str, after: int, subjects: Sequence[str], created: str | None
) -> tuple[Pull, str]:
    """A consumer that starts after `after`, however long the server is away."""
    told = False
    while True:
        try:
            info = StreamInfo.of(await link.api(f"STREAM.INFO.{stream}"))
            if created is not None and info.created != created:
                raise StreamReplaced(f"stream {stream} of {created} was replaced by one of {info.created}")
            pull = Pull(link, stream, after, subjects)
            await pull.open()
            return pull, info.created
        except BusClosed:
            raise
        except BusUnavailable as problem:
            link.last_error = str(problem)
            # Of a server that is gone the connection tells.
            if link.connected and not told:
                log.warning("waiting for stream %s: %s", stream, problem)
                told = True
