"""How a process is started, whichever way: as a program of its own, or forked from the one that has imported all."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from services.forking import server
from services.forking.client import ForkServer, Streams
from services.orphans import end_with


class Process(Protocol):
    """A process that runs, as `asyncio.subprocess` and `Forked` give it."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    async def wait(self) -> int: ...


Start = Callable[[Streams], Awaitable[Process]]
"""Starts a process with these streams, out of reach of the terminal's signals. Raises OSError."""


def program(argv: Sequence[str], environment: Mapping[str, str]) -> Start:
    """How to start a program, which gets SIGTERM when this process is gone, however it went (Linux)."""

    async def start(streams: Streams) -> Process:
        stdin, stdout, stderr = streams
        return await asyncio.create_subprocess_exec(
            *argv,
            env=dict(environment),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            preexec_fn=partial(end_with, os.getpid()),
            start_new_session=True,
        )

    return start


def forked(forks: ForkServer, arguments: Sequence[str], environment: Mapping[str, str]) -> Start:
    """How to start `tipstream ARGUMENTS` from a fork server."""
    return lambda streams: forks.fork(arguments, environment, streams)


def command(arguments: Sequence[str], environment: Mapping[str, str]) -> Start:
    """How to start `tipstream ARGUMENTS` from any process: forked where it was forked itself, else as a program."""
    if server.own_control is not None:
        return forked(ForkServer(environment), arguments, environment)
    return program((sys.executable, "-m", "services.cli", *arguments), environment)
