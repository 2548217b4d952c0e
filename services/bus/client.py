"""nats-py with two header routines replaced that cost it most of its speed, one socket at a time, and a sure end.

Bytes on the wire are the same. A message is read whatever a producer had stored: nats-py ends its reading task over a
subject that is not UTF-8 and over headers that are none, and the message would be delivered again for ever.
"""

import asyncio
import contextlib
import re
from typing import Any

from nats.aio.client import Client, Srv
from nats.aio.msg import Msg
from nats.errors import Error
from nats.protocol import parser

MAX_KNOWN_NAMES = 1000
CLOSE_S = 2.0

# The server separates with spaces and tabs; to a pattern of nats-py, vertical tab and form feed end a subject too.
_ARGUMENTS = rb"[ \t]+([^ \t\r\n]+)[ \t]+([^ \t\r\n]+)[ \t]+(([^ \t\r\n]+)[ \t]+)?"
parser.MSG_RE = re.compile(rb"\AMSG" + _ARGUMENTS + rb"(\d+)\r\n")
parser.HMSG_RE = re.compile(rb"\AHMSG" + _ARGUMENTS + rb"(\d+)[ \t]+(\d+)\r\n")


class FastClient(Client):
    """Overrides private methods of nats-py 2.16. Renamed there, speed and sockets are lost, and tests fail that store
    what it cannot read."""

    def __init__(self) -> None:
        super().__init__()
        self._known_names: set[str] = set()
        self._writer: asyncio.StreamWriter | None = None

    async def _connect_to_server(self, s: Srv) -> None:
        await super()._connect_to_server(s)
        # The old reading task may have taken in a last piece after the parser was reset. nats-py means to reset it here
        # again, but asks for a status that it has just changed; a PONG behind that piece is then waited for in vain.
        self._ps.reset()
        # nats-py forgets the socket of an attempt that failed half way, or of a reconnect that another one cut short.
        self._abort()
        self._writer = getattr(self._transport, "_io_writer", None)

    def _abort(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()

    async def end(self) -> None:
        """Close within about two seconds: nats-py's `close` waits for ever for a frozen server to read."""
        with contextlib.suppress(Error, OSError, TimeoutError):
            await asyncio.wait_for(self.close(), CLOSE_S)
        # Cancelled at the wrong moment, a reconnect goes on (`asyncio.wait_for` before Python 3.12 may lose it).
        while (task := self._reconnection_task) is not None and not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=0.1)
        self._abort()

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        # What is not UTF-8 stands as an escape: text that can be shown and stored, and the id of nobody.
        text = subject.decode(errors="backslashreplace")
        return self.msg_class(subject=text, reply=reply.decode(), data=data, headers=headers, _client=self, _sid=sid)

    async def _process_headers(self, headers: Any) -> dict[str, str] | None:
        try:
            return await super()._process_headers(headers)
        except (IndexError, ValueError):
            return None

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        found: dict[str, str] = {}
        # As in subjects; nats-py has one character for all of it, which makes ids alike that are not.
        for line in raw.decode(errors="backslashreplace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                # Of a header given twice the server knows a message by the first.
                found.setdefault(name.strip(), value.strip())
        return found

    async def _send_publish(
        self, subject: str, reply: str, payload: bytes, payload_size: int, headers: dict[str, str] | None
    ) -> None:
        text = "".join([f"{name}: {value}\r\n" for name, value in (headers or {}).items()])
        lines = len(headers or ())
        if (
            headers is None
            or not headers.keys() <= self._known_names
            or text.count("\n") != lines
            or text.count("\r") != lines
        ):
            # nats-py checks names and replaces line breaks in values; a name it took once is good for ever.
            await super()._send_publish(subject, reply, payload, payload_size, headers)
            if headers and len(self._known_names) < MAX_KNOWN_NAMES:
                self._known_names.update(headers)
            return
        block = f"NATS/1.0\r\n{text}\r\n".encode()
        size = len(block)
        start = f"HPUB {subject} {reply} {size} {size + payload_size}\r\n".encode()
        self.stats["out_msgs"] += 1
        self.stats["out_bytes"] += payload_size
        await self._send_command(b"".join((start, block, payload, b"\r\n")))
        if self._flush_queue is not None and self._flush_queue.empty():
            await self._flush_pending()
