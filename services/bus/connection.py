"""One NATS connection that reconnects for ever, and JetStream's JSON API over it."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

import orjson
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError, NoRespondersError, OutboundBufferLimitError
from nats.errors import TimeoutError as NatsTimeout

from services.bus.client import FastClient
from services.bus.errors import BusClosed, BusUnavailable, ServerRefused, StreamMissing
from services.bus.refusals import STORES_NOTHING
from services.settings import nodes

ATTEMPT_S = 2.0
TIMEOUT_S = 5.0
RECONNECT_WAIT_S = 0.2
# Whoever waits for ever for a first connection says so after a while, in the log.
PATIENCE_S = 5.0
STREAM_NOT_FOUND = 10059
# As nats-py has it, which writes the server's words in small letters.
FORBIDDEN = re.compile(r'permissions violation for (?:publish|subscription) to "([^"]+)"')

log = logging.getLogger(__name__)


class Connection:
    """A NATS client and whether it is up; `on_change` hooks run after each reconnect and at the end.

    `url` is for messages, which anybody may read, so it names no user and no password.
    """

    def __init__(self, url: str) -> None:
        self.url = without_user(url)
        self.nc = FastClient()
        self.last_error: str | None = None
        self.on_change: set[Callable[[], None]] = set()
        self.closed = False
        self._up = asyncio.Event()
        self._forbidden: set[str] = set()

    @classmethod
    async def open(cls, url: str, *, name: str, timeout: float | None) -> Self:
        """Connect, waiting up to `timeout` seconds for the server (None: for ever). Raises BusUnavailable."""
        link = cls(url)
        connecting = link.nc.connect(
            nodes(url),
            name=name,
            inbox_prefix="_INBOX." + re.sub(r"[^A-Za-z0-9_-]", "-", name),
            error_cb=link._on_error,
            disconnected_cb=link._on_disconnect,
            reconnected_cb=link._on_reconnect,
            closed_cb=link._on_closed,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]  # seconds, fractions work
            ping_interval=10,
            flush_timeout=ATTEMPT_S,
        )
        task = asyncio.ensure_future(connecting)
        opened = False
        try:
            if timeout is None and not (await asyncio.wait({task}, timeout=PATIENCE_S))[0]:
                log.warning("waiting: %s", _not_opened(link.url, str(link.last_error)))
            await asyncio.wait({task}, timeout=timeout)
            opened = task.done() and task.exception() is None
        finally:
            if not opened:
                # As with a reconnect in `FastClient.end`: one cancellation may get lost.
                while not task.done():
                    task.cancel()
                    await asyncio.wait({task}, timeout=0.1)
                await link.close()
        if not opened:
            why = link.last_error or (None if task.cancelled() else task.exception())
            raise BusUnavailable(_not_opened(link.url, str(why)))
        link._up.set()
        return link

    @property
    def connected(self) -> bool:
        """Whether a server is there and subscriptions stand."""
        return self.nc.is_connected and self._up.is_set() and not self.closed

    async def wait_up(self, timeout: float | None) -> None:
        """Return once connected. Raises BusUnavailable after `timeout` seconds, BusClosed at the end."""
        try:
            async with asyncio.timeout(timeout):
                while not self.connected and not self.closed:
                    await self._up.wait()
                    # nats-py knows of a lost server a moment before its callback has told us.
                    await asyncio.sleep(0 if self.connected else 0.02)
        except TimeoutError:
            raise BusUnavailable(f"no NATS server at {self.url} ({self.last_error})") from None
        if self.closed:
            raise self.closed_error()

    async def subscribe(
        self, subject: str, handler: Callable[[Msg], Awaitable[None]], *, queue: str = ""
    ) -> Subscription:
        """Call `handler` for each message; nats-py subscribes again after a reconnect. Raises BusClosed."""
        try:
            return await self.nc.subscribe(subject, queue=queue, cb=handler)
        except ConnectionClosedError:
            raise self.closed_error() from None

    async def send(self, subject: str, data: bytes, reply: str = "", headers: dict[str, str] | None = None) -> bool:
        """Write one message to a live connection; False, and nothing kept for later, when there is none."""
        if not self.connected:
            return False
        try:
            await self.nc.publish(subject, data, reply, headers)
        except (ConnectionClosedError, OutboundBufferLimitError):
            return False
        # nats-py swallows a cancellation that arrives while it flushes.
        _heed_cancelling(0)
        return True

    async def request(self, subject: str, data: bytes, timeout: float) -> Msg:
        """One request, once, for `timeout` seconds. Raises what nats-py raises."""
        cancelling = _cancelling()
        answer = await self.nc.request(subject, data, timeout=timeout)
        # Before Python 3.12 nats-py's `wait_for` loses a cancellation that comes together with the answer.
        _heed_cancelling(cancelling)
        return answer

    async def ask(self, subject: str, data: bytes, timeout: float = TIMEOUT_S) -> Msg:
        """Repeat a harmless request until it is answered. Raises BusUnavailable after `timeout` seconds, ServerRefused
        where the user may not ask it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while (left := deadline - loop.time()) > 0:
            await self.wait_up(left)
            try:
                return await self.request(subject, data, min(ATTEMPT_S, left))
            except NoRespondersError:
                self.last_error = f"no JetStream behind {subject}"
                await asyncio.sleep(0.1)
            except (NatsTimeout, ConnectionClosedError, OutboundBufferLimitError) as problem:
                self._heed_forbidden(subject)
                self.last_error = f"{subject}: {problem}"
        raise BusUnavailable(f"{self.url} did not answer in {timeout:g} s ({self.last_error})")

    async def api(self, subject: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """One JetStream API call. Raises BusUnavailable, StreamMissing, ServerRefused."""
        msg = await self.ask(f"$JS.API.{subject}", b"" if body is None else orjson.dumps(body))
        return answer_of(subject, msg)

    async def ask_once(self, subject: str, data: bytes, timeout: float) -> Msg:
        """A request that must not be repeated. Raises BusUnavailable when no answer comes within `timeout` seconds,
        ServerRefused where the user may not ask it."""
        try:
            return await self.request(subject, data, timeout)
        except (NatsTimeout, NoRespondersError, ConnectionClosedError, OutboundBufferLimitError) as problem:
            self._heed_forbidden(subject)
            raise BusUnavailable(f"{self.url} did not answer on {subject} in {timeout:g} s ({problem})") from None

    async def close(self) -> None:
        """End for good; hooks run, waiting calls raise BusClosed."""
        await self._on_closed()
        await self.nc.end()

    def closed_error(self) -> BusClosed:
        """What a call on a closed connection raises."""
        return BusClosed(f"the connection to {self.url} is closed ({self.last_error}); open a new one")

    async def _on_error(self, problem: Exception) -> None:
        self.last_error = f"{type(problem).__name__}: {problem}"
        if (found := FORBIDDEN.search(str(problem))) is not None and found[1] not in self._forbidden:
            # Kept, since the server says so once for each message and then answers nothing.
            self._forbidden.add(found[1])
            log.error("%s does not permit this user to use %s", self.url, found[1])

    def _heed_forbidden(self, subject: str) -> None:
        if subject.lower() in self._forbidden:
            raise ServerRefused(f"{self.url} does not permit this user to publish to {subject}; allow it on the server")

    async def _on_disconnect(self) -> None:
        if not self.closed:
            log.warning("the NATS server at %s is gone; waiting until it is back", self.url)
            self._up.clear()

    async def _on_reconnect(self) -> None:
        log.info("the NATS server at %s is back", self.url)
        self.last_error = None
        # A server that now permits more has made its clients connect anew.
        self._forbidden.clear()
        self._up.set()
        self._tell()

    async def _on_closed(self) -> None:
        if not self.closed:
            self.closed = True
            self._up.set()
            self._tell()

    def _tell(self) -> None:
        for hook in list(self.on_change):
            hook()


def _not_opened(url: str, why: str) -> str:
    """Why no connection stands, and what to do: a server may be there and want somebody else."""
    said = why.lower()
    if "authorization" in said:
        return f"{url} does not take this user, password or token ({why}); see TIPSTREAM_NATS_URL"
    if "certificate" in said:
        return f"{url} shows a certificate that is not trusted ({why}); name its authority's in SSL_CERT_FILE"
    return f"no NATS server at {url} ({why}); start it with `tipstream up`"


def answer_of(subject: str, msg: Msg) -> dict[str, Any]:
    """The JSON of a JetStream API call's answer. Raises BusUnavailable, StreamMissing, ServerRefused."""
    answer: dict[str, Any] = orjson.loads(msg.data)
    if error := answer.get("error"):
        text, code = f"{subject}: {error['description']}", error.get("err_code")
        if code == STREAM_NOT_FOUND:
            raise StreamMissing(text, code)
        if temporary(error):
            raise BusUnavailable(text)
        raise ServerRefused(text, code)
    return answer


def _cancelling() -> int:
    """How often this task has been asked to end."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


def _heed_cancelling(before: int) -> None:
    """Raises CancelledError when this task was asked to end since."""
    if _cancelling() > before:
        raise asyncio.CancelledError


def without_user(url: str) -> str:
    """The address, or those of a cluster, as it may be shown to anybody."""
    parts = (one.partition("://") for one in nodes(url))
    return ",".join(scheme + separator + rest.rpartition("@")[2] for scheme, separator, rest in parts)


def temporary(error: Mapping[str, Any]) -> bool:
    """Whether a JetStream error says how the stream is and not what is wrong with a message: it may pass by itself
    (overload, a full disk, an election, a duplicate in flight), or be mended on the server."""
    code = error.get("code", 0)
    return code in (408, 409, 429) or code >= 500 or error.get("err_code") in STORES_NOTHING
