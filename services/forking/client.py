"""The client of the fork server: it starts the server, asks it for processes and knows how they end."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from services.forking import server

LOST = 255
"""The exit code of a process whose fork server was killed: it gets SIGTERM, and nobody hears what came of it."""

Streams = tuple[int, int, int]
"""The file descriptors that become standard input, output and error."""


class ForkServer:
    """Starts Tipstream's processes from one that has imported everything; it begins with the first that is asked for.

    In a process that was forked itself, it is the server which that came from. `modules` are what it imports.
    """

    def __init__(self, environment: Mapping[str, str], modules: Sequence[str] = server.PRELOADED) -> None:
        self._environment, self._modules = environment, modules
        self._process: subprocess.Popen[bytes] | None = None
        self._control = server.own_control

    @property
    def control(self) -> socket.socket | None:
        """Where it takes requests, once it has begun."""
        return self._control

    def start(self) -> None:
        """See that it runs, which begins the import. Raises OSError."""
        if server.own_control is not None or (self._process is not None and self._process.poll() is None):
            return
        self.close()
        self._control, served = socket.socketpair()
        with served:
            passed = (served.fileno(), self._control.fileno())
            arguments = map(repr, (os.getpid(), *passed, *self._modules))
            program = f"from services.forking.server import run; run({', '.join(arguments)})"
            self._process = subprocess.Popen(
                [sys.executable, "-c", program],
                env={**self._environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.PIPE,
                pass_fds=passed,
                start_new_session=True,
            )

    async def fork(self, arguments: Sequence[str], environment: Mapping[str, str], streams: Streams) -> "Forked":
        """Start `tipstream ARGUMENTS`, out of reach of the terminal's signals. Raises OSError."""
        return await Forked.begun(self.ask(arguments, environment, streams, new_session=True))

    def ask(
        self, arguments: Sequence[str], environment: Mapping[str, str], streams: Streams, *, new_session: bool = False
    ) -> socket.socket:
        """Ask for `tipstream ARGUMENTS`: the process lives as long as this socket, on which come its id and exit code.

        Each is a line with a number. `new_session` takes it from the terminal's signals. Raises OSError.
        """
        self.start()
        assert self._control is not None
        with ExitStack() as until_asked:
            ours, theirs = socket.socketpair()
            until_asked.enter_context(ours)
            with theirs:
                socket.send_fds(self._control, [b"f"], [theirs.fileno()])
            wanted = {"arguments": arguments, "environment": dict(environment), "new_session": new_session}
            request = json.dumps(wanted).encode() + b"\n"
            sent = socket.send_fds(ours, [request], streams)
            ours.sendall(request[sent:])
            until_asked.pop_all()
        return ours

    def close(self) -> None:
        """End it, and with it what it has forked."""
        if self._process is not None and self._control is not None and self._process.stdin is not None:
            self._control.close()
            self._process.stdin.close()
            # It may be importing still, and hears of its end only afterwards.
            self._process.terminate()
            self._process.wait()
            self._process = None


@dataclass(slots=True)
class Forked:
    """A process from a fork server, with what is asked of `asyncio.subprocess.Process`."""

    pid: int
    returncode: int | None
    _ended: asyncio.Task[None] = field(repr=False)

    @classmethod
    async def begun(cls, channel: socket.socket) -> "Forked":
        """The process that was asked for on this socket, once it is there. Raises OSError."""
        reader, writer = await asyncio.open_connection(sock=channel)
        try:
            said = await reader.readline()
            if not said:
                raise OSError("the fork server ended before it could")
        except BaseException:
            writer.close()
            raise

        async def follow() -> None:
            try:
                process.returncode = int(await reader.readline() or LOST)
            finally:
                writer.close()
            await writer.wait_closed()

        process = cls(int(said), None, asyncio.create_task(follow(), name=f"follow process {int(said)}"))
        return process

    async def wait(self) -> int:
        """Its exit code once it has ended (-N for signal N)."""
        await asyncio.shield(self._ended)
        assert self.returncode is not None
        return self.returncode
