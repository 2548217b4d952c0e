"""A process that works on the bus: run until it is told to stop, and work side by side of which none may end alone."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from services.bus.jetstream import JetStreamBus
from services.settings import Settings


def run_on_bus(settings: Settings, name: str, serve: Callable[[JetStreamBus], Awaitable[None]]) -> None:
    """Connect as `name`, however long that takes, and serve until SIGTERM or SIGINT. Raises what `serve` raises."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings.make_home()
    asyncio.run(_until_stopped(_connect_and_serve(settings, name, serve)))


async def until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Do all at once until the first has ended, and end the others. Raises what ended the first."""
    tasks = {asyncio.create_task(work) for work in works}
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        ended.pop().result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    serving = asyncio.create_task(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    with suppress(asyncio.CancelledError):
        await serving


async def _connect_and_serve(settings: Settings, name: str, serve: Callable[[JetStreamBus], Awaitable[None]]) -> None:
    bus = await JetStreamBus.connect(settings.bus_url, name=name, timeout=None)
    try:
        await serve(bus)
    finally:
        await bus.close()
