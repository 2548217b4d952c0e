"""Core NATS beside the stream: request and reply between processes, and chatter that nobody stores."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable

from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, NoRespondersError, OutboundBufferLimitError
from nats.errors import TimeoutError as NatsTimeout

from contracts.errors import TipstreamError
from contracts.subjects import PREFIX
from services.bus.connection import Connection
from services.bus.errors import NoAnswer, NoResponder, RequestFailed

FAILED = "Nats-Service-Error"
MAX_HEARD = 10_000

Handler = Callable[[bytes], Awaitable[bytes]]

log = logging.getLogger(__name__)


def check_core_subject(subject: str) -> None:
    """ValueError for a subject that the stream would capture: chatter must not change what is proved."""
    if subject == PREFIX or subject.startswith((f"{PREFIX}.", "*", ">")):
        raise ValueError(f"{subject!r} belongs to the stream; use a subject outside {PREFIX}.>")


def failure(subject: str, problem: Exception) -> str:
    """What a requester is told of a handler's error; unexpected ones are logged in full here."""
    if isinstance(problem, TipstreamError):
        return str(problem)
    log.error("handler of %s failed", subject, exc_info=problem)
    return f"{type(problem).__name__}: {problem}"


class Core:
    """Request, respond, tell and listen over one connection."""

    def __init__(self, link: Connection) -> None:
        self._link = link
        self._tasks: set[asyncio.Task[None]] = set()

    async def request(self, subject: str, data: bytes, timeout: float) -> bytes:
        """See `JetStreamBus.request`."""
        check_core_subject(subject)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        await self._link.wait_up(timeout)
        try:
            msg = await self._link.request(subject, data, max(deadline - loop.time(), 0.001))
        except NoRespondersError:
            raise NoResponder(f"nobody answers on {subject}; see whether the process that serves it runs") from None
        except (NatsTimeout, OutboundBufferLimitError):
            raise NoAnswer(f"no answer on {subject} within {timeout:g} s") from None
        except ConnectionClosedError:
            raise self._link.closed_error() from None
        if msg.headers and FAILED in msg.headers:
            raise RequestFailed(msg.data.decode(errors="replace"))
        return msg.data

    async def respond(self, subject: str, handler: Handler) -> None:
        """See `JetStreamBus.respond`."""
        check_core_subject(subject)

        async def answer(msg: Msg) -> None:
            try:
                data, headers = await handler(msg.data), None
            except Exception as problem:
                data, headers = failure(subject, problem).encode(), {FAILED: "1"}
            if msg.reply:
                await self._link.send(msg.reply, data, headers=headers)

        async def hand_over(msg: Msg) -> None:
            # nats-py calls handlers one after the other; a slow answer must not hold up the next.
            task = asyncio.create_task(answer(msg))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        await self._link.subscribe(subject, hand_over, queue="respond")
        await self._link.nc.flush()

    async def tell(self, subject: str, data: bytes) -> None:
        """See `JetStreamBus.tell`."""
        check_core_subject(subject)
        await self._link.send(subject, data)

    async def listen(self, subject: str) -> AsyncGenerator[tuple[str, bytes], None]:
        """See `JetStreamBus.listen`."""
        check_core_subject(subject)
        heard: asyncio.Queue[tuple[str, bytes] | None] = asyncio.Queue()

        async def hear(msg: Msg) -> None:
            if heard.qsize() < MAX_HEARD:
                heard.put_nowait((msg.subject, msg.data))

        def on_change() -> None:
            if self._link.closed:
                heard.put_nowait(None)

        sub = await self._link.subscribe(subject, hear)
        self._link.on_change.add(on_change)
        try:
            while (item := await heard.get()) is not None:
                yield item
        finally:
            self._link.on_change.discard(on_change)
            if not self._link.closed:
                await sub.unsubscribe()

    def close(self) -> None:
        """Stop handlers that are still working on an answer."""
        for task in self._tasks:
            task.cancel()
