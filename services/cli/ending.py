"""Commands that clean up behind themselves, however they are told to end."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import typer

TERMINATED = 128 + signal.SIGTERM

Outcome = TypeVar("Outcome")


def run_to_its_end(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Run it; SIGTERM cancels it as Ctrl-C does, so that what was written so far goes, and ends with status 143."""

    async def ended_by_sigterm() -> Outcome:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(ended_by_sigterm())
    except asyncio.CancelledError:
        raise typer.Exit(TERMINATED) from None
