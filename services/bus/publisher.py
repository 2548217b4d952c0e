"""Publishing: many messages in flight over one reply inbox, each sent again until its own ack settles it."""

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import Any

import orjson
from nats.aio.msg import Msg
from nats.errors import Error

from contracts.envelope import Message
from services.bus.connection import Connection, temporary
from services.bus.errors import BusUnavailable, PublishRefused
from services.bus.refusals import Refusals
from services.bus.stream import MAX_BATCH, Ack, check_message

WINDOW = 4096
SWEEP_S = 0.5
# A message is sent again when no ack at all came for QUIET_S, or its own did not for LOST_S: under load an ack may
# take seconds, and repeating early would only add to the load.
QUIET_S = 2.0
LOST_S = 30.0
COMMIT_S = 10.0
NO_ACK = Ack(0, False)
NO_JETSTREAM = {"code": 503, "description": "no JetStream takes this subject"}


class _Group:
    """Messages published by one call; `future` holds their acks, in order, or the first error."""

    __slots__ = ("acks", "future", "left")

    def __init__(self, size: int, future: asyncio.Future[list[Ack]]) -> None:
        self.acks = [NO_ACK] * size
        self.left = size
        self.future = future


class _Pending:
    """A message without a final ack; `sent` is when it was last written, None while it waits to be."""

    __slots__ = ("group", "index", "message", "sent", "ticket")

    def __init__(self, ticket: int, message: Message, group: _Group, index: int) -> None:
        self.ticket = ticket
        self.message = message
        self.group = group
        self.index = index
        self.sent: float | None = None


class Publisher:
    """Pipelined publishing with at-least-once sending; the stream's duplicate window makes it once."""

    def __init__(self, link: Connection) -> None:
        self._link = link
        self._loop = asyncio.get_running_loop()
        self.refusals = Refusals(self._loop.time)
        self._inbox = link.nc.new_inbox()
        self._tickets = count(1)
        self._pending: dict[int, _Pending] = {}
        self._queue: deque[_Pending] = deque()
        self._commits: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._wake = asyncio.Event()
        self._last_ack = 0.0

    async def start(self) -> None:
        """Listen for acks and start writing."""
        await self._link.subscribe(f"{self._inbox}.*", self._on_ack)
        self._link.on_change.add(self._start_over)
        self._writer = asyncio.create_task(self._write(), name="bus publisher")
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    def close(self) -> None:
        """Stop; whatever has no ack fails with BusClosed."""
        self._link.on_change.discard(self._start_over)
        self._sweeper.cancel()
        self._writer.cancel()
        self._fail_all()

    async def publish(self, messages: Sequence[Message], timeout: float | None = None) -> list[Ack]:
        """See `JetStreamBus.publish`; several are in flight together."""
        for message in messages:
            check_message(message, self._link.nc.max_payload)
        if self._link.closed:
            raise self._link.closed_error()
        if not messages:
            return []
        group = _Group(len(messages), self._loop.create_future())
        tickets = []
        for index, message in enumerate(messages):
            pending = _Pending(next(self._tickets), message, group, index)
            self._pending[pending.ticket] = pending
            self._queue.append(pending)
            tickets.append(pending.ticket)
        self._wake.set()
        expiry = None if timeout is None else self._loop.call_later(timeout, self._expire, group, timeout)
        try:
            return await group.future
        finally:
            if expiry is not None:
                expiry.cancel()
            if group.left:
                for ticket in tickets:
                    self._pending.pop(ticket, None)

    async def publish_batches(self, messages: Sequence[Message]) -> list[Ack]:
        """See `JetStreamBus.publish_all`."""
        for message in messages:
            check_message(message, self._link.nc.max_payload)
        acks: list[Ack] = []
        for start in range(0, len(messages), MAX_BATCH):
            acks += await self._commit(messages[start : start + MAX_BATCH])
        return acks

    async def _commit(self, messages: Sequence[Message]) -> list[Ack]:
        """One atomic batch (ADR-50), whose messages follow one another in the stream."""
        while True:
            await self._link.wait_up(None)
            ticket = next(self._tickets)
            future: asyncio.Future[dict[str, Any]] = self._loop.create_future()
            self._commits[ticket] = future
            try:
                if await self._send_batch(messages, f"{self._inbox}.{ticket}"):
                    answer = await asyncio.wait_for(future, COMMIT_S)
                    break
            except TimeoutError:
                self.refusals.unanswered()
                continue
            except BusUnavailable:
                continue
            except Error as problem:
                answer = {"error": str(problem)}
                break
            finally:
                del self._commits[ticket]
        if "error" not in answer:
            first = answer["seq"] - len(messages) + 1
            return [Ack(first + index, False) for index in range(len(messages))]
        # The server refuses a batch as a whole when it knows one of its ids (10201), which is how a retry after a
        # lost ack looks, or when a restart cut it (10176). One by one, known ids are acked as duplicates.
        return await self.publish(messages)

    async def _send_batch(self, messages: Sequence[Message], reply: str) -> bool:
        batch = "-".join(reply.split(".")[-2:])
        for number, message in enumerate(messages, 1):
            headers = {**message.headers, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
            last = number == len(messages)
            if last:
                headers["Nats-Batch-Commit"] = "1"
            if not await self._link.send(message.subject, message.data, reply if last else "", headers):
                return False
        return True

    async def _write(self) -> None:
        while not self._link.closed:
            await self._wake.wait()
            self._wake.clear()
            while self._queue and len(self._pending) - len(self._queue) < WINDOW:
                pending = self._queue.popleft()
                if pending.ticket not in self._pending:
                    continue
                pending.sent = self._loop.time()
                message, reply = pending.message, f"{self._inbox}.{pending.ticket}"
                try:
                    if not await self._link.send(message.subject, message.data, reply, message.headers):
                        break
                except Error as problem:
                    self._settle(pending.ticket, PublishRefused(f"{message.subject[:80]}: {problem}"))

    async def _on_ack(self, msg: Msg) -> None:
        ticket = int(msg.subject.rpartition(".")[2])
        # Without a body it is the server's "no responders": no JetStream, or not yet.
        answer: dict[str, Any] = orjson.loads(msg.data) if msg.data else {"error": NO_JETSTREAM}
        self.refusals.answered(answer.get("error"))
        if (commit := self._commits.get(ticket)) is not None:
            if not commit.done():
                commit.set_result(answer)
            return
        if (pending := self._pending.get(ticket)) is None:
            return
        self._last_ack = self._loop.time()
        if (error := answer.get("error")) is None:
            self._settle(ticket, Ack(answer["seq"], answer.get("duplicate", False)))
        elif temporary(error):
            self._link.last_error = error["description"]
            pending.sent = float("-inf")
        else:
            text = f"{pending.message.subject[:80]}: {error['description']}"
            self._settle(ticket, PublishRefused(text, error.get("err_code")))
        if self._queue:
            self._wake.set()

    def _settle(self, ticket: int, outcome: Ack | Exception) -> None:
        if (pending := self._pending.pop(ticket, None)) is None:
            return
        group = pending.group
        if isinstance(outcome, Exception):
            if not group.future.done():
                group.future.set_exception(outcome)
            return
        group.acks[pending.index] = outcome
        group.left -= 1
        if not group.left and not group.future.done():
            group.future.set_result(group.acks)

    def _expire(self, group: _Group, timeout: float) -> None:
        why = "no ack" if self._link.connected else "the NATS server is away"
        if self._link.connected:
            self.refusals.unanswered()
        last = f" ({self._link.last_error})" if self._link.last_error else ""
        if not group.future.done():
            group.future.set_exception(BusUnavailable(f"not acknowledged within {timeout:g} s: {why}{last}"))

    def _sweep(self) -> None:
        """Queue again what the server seems to have lost."""
        now = self._loop.time()
        patience = QUIET_S if now - self._last_ack > QUIET_S else LOST_S
        for pending in self._pending.values():
            if pending.sent is not None and now - pending.sent > patience:
                pending.sent = None
                self._queue.append(pending)
        if self._queue:
            self._wake.set()
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    def _start_over(self) -> None:
        """After a reconnect nothing in flight can be trusted: send it all again, oldest first."""
        if self._link.closed:
            self._fail_all()
            return
        self.refusals.forget()
        self._queue = deque(self._pending.values())
        for pending in self._queue:
            pending.sent = None
        for commit in self._commits.values():
            if not commit.done():
                commit.set_exception(BusUnavailable("reconnected"))
        self._wake.set()

    def _fail_all(self) -> None:
        for ticket in list(self._pending):
            self._settle(ticket, self._link.closed_error())
        for commit in self._commits.values():
            if not commit.done():
                commit.set_exception(self._link.closed_error())
