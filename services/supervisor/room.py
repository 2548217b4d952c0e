"""Starts the NATS server again once its disk has room: after one write without, it stores nothing more by itself."""

import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

LOOK_S = 2.0
ROOM = 16 << 20
NO_ROOM = (b"no space left on device", b"disk quota exceeded")


async def renew_after_a_full_disk(log: Path, store: Path, renew: Callable[[], None]) -> None:
    """For ever: read what the server writes to its log from here on, and `renew` it when it was out of room."""
    place, full = await asyncio.to_thread(_end, log), False
    while True:
        await asyncio.sleep(LOOK_S)
        said, place = await asyncio.to_thread(_read, log, place)
        full = full or any(words in said for words in NO_ROOM)
        if full and await asyncio.to_thread(_has_room, store):
            renew()
            # What it has said until now is dealt with.
            place, full = await asyncio.to_thread(_end, log), False


def _end(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _read(log: Path, place: int) -> tuple[bytes, int]:
    try:
        with log.open("rb") as file:
            # A log that was emptied meanwhile begins anew.
            file.seek(min(place, log.stat().st_size))
            return file.read(), file.tell()
    except OSError:
        return b"", place


def _has_room(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, ROOM)
    except OSError:
        return False
    return True
