"""Putting a backup into an installation that is not running: verified first, made aside, and moved into place last.

All is made in HOME/restoring, whose mark keeps every process from HOME until nothing is left to do. A restore that was
killed is undone by the next one.
"""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from services.backup.archive import PARTS, Progress, contents, verified
from services.backup.errors import RestoreFailed, RestoreRefused
from services.backup.log_server import log_server, wait_for_its_end
from services.backup.manifest import STREAM, Log, Manifest
from services.bootstrap import open_decoder, trusted_signer
from services.bus.connection import without_user
from services.bus.errors import StreamMissing
from services.bus.jetstream import JetStreamBus
from services.durable import new_file, sync
from services.settings import PREFIX, Settings, make_folder

NATS = "nats"
PLACED = (NATS, *(part for part in PARTS if part != STREAM))
CONNECT_S = 5.0


async def restore(settings: Settings, path: Path, progress: Progress) -> Manifest:
    """Verify the backup at `path` and put it into HOME, and its log into the NATS server that the settings name.

    The caller holds HOME. Raises BackupDamaged, RestoreRefused, RestoreFailed, ForeignSigningKey, ServerRefused,
    BusUnavailable.
    """
    manifest = await asyncio.to_thread(verified, path, progress)
    try:
        again = await asyncio.to_thread(_undo, settings)
        _refuse_used(settings)
        try:
            async with _destination(settings, manifest.log, again) as bus:
                await _fill(settings, bus, manifest, path, progress)
        except BaseException:
            if settings.embedded:
                _discard(settings)
            # Another server may hold a part of the log now: the mark stays until somebody has seen to that.
            raise
        progress("moving into place", 0, None)
        await asyncio.to_thread(_place, settings)
    except OSError as problem:
        where = problem.filename or settings.home
        raise RestoreFailed(f"{where}: {problem.strerror or problem}; mend that and restore again") from problem
    return manifest


async def _fill(settings: Settings, bus: JetStreamBus, manifest: Manifest, path: Path, progress: Progress) -> None:
    """Put the files aside and the log into its server."""
    aside = settings.model_copy(update={"home": settings.restoring_dir})
    config = _of_one_server(manifest.log.config) if settings.embedded else manifest.log.config
    await asyncio.to_thread(_extract, settings, path)
    if not await _has_stream(bus):
        await bus.restore(config, manifest.log.state, _log_of(path, progress))
    if (said := await _difference(bus, manifest.log)) is not None:
        raise RestoreFailed(f"the log came out otherwise than it was backed up: {said}")
    trusted_signer(aside, await open_decoder(bus))


@asynccontextmanager
async def _destination(settings: Settings, log: Log, again: bool) -> AsyncIterator[JetStreamBus]:
    """The server that is to hold the log, once nothing is in the way."""
    if settings.embedded:
        _begin(settings)
        async with log_server(settings.restoring_dir) as bus:
            yield bus
        return
    bus = await JetStreamBus.connect(settings.bus_url, name="tipstream restore", timeout=CONNECT_S)
    try:
        # A restore that was killed may have put the log there already.
        if await _has_stream(bus) and not (again and await _difference(bus, log) is None):
            raise RestoreRefused(
                f"{without_user(settings.bus_url)} has a stream {log.name} already; name another server in "
                f"{PREFIX}NATS_URL, or delete that stream if nobody needs it (`nats stream rm {log.name}`)"
            )
        _begin(settings)
        yield bus
    finally:
        await bus.close()


async def _has_stream(bus: JetStreamBus) -> bool:
    try:
        await bus.info()
    except StreamMissing:
        return False
    return True


def _of_one_server(config: dict[str, Any]) -> dict[str, Any]:
    """The stream's settings without those that only a cluster can have."""
    return {name: value for name, value in config.items() if name != "placement"} | {"num_replicas": 1}


async def _difference(bus: JetStreamBus, log: Log) -> str | None:
    """What of the stream is not as in the backup; servers before 2.15 may have put a few later events into it."""
    info = await bus.info()
    missing = tuple(await bus.missing(1, log.last_seq))
    if info.first_seq != log.first_seq:
        return f"it begins at {info.first_seq}, not at {log.first_seq}"
    if info.last_seq < log.last_seq:
        return f"it ends at {info.last_seq}, not at {log.last_seq}"
    if info.last_seq == log.last_seq and info.messages != log.messages:
        return f"it holds {info.messages} events, not {log.messages}"
    if missing != log.missing:
        return "events are missing that were there, or are there that were deleted"
    return None


def _log_of(path: Path, progress: Progress) -> Iterator[bytes]:
    done = 0
    for name, pieces in contents(path):
        if name.partition("/")[0] == STREAM:
            for piece in pieces:
                yield piece
                done += len(piece)
                progress("restoring the log", done, None)


def _refuse_used(settings: Settings) -> None:
    """See that HOME holds nothing that a restore would have to replace."""
    there = [part for part in PLACED if _holds_files(settings.home / part)]
    if there:
        raise RestoreRefused(
            f"{settings.home} holds {', '.join(there)} already; move that folder away, or set {PREFIX}HOME to another"
        )


def _holds_files(path: Path) -> bool:
    if not path.is_dir():
        return os.path.lexists(path)
    # What `tipstream up` writes anew at each start is nobody's loss.
    return any(not found.is_dir() and found != path / "nats.conf" for found in path.rglob("*"))


def _begin(settings: Settings) -> None:
    for folder in (settings.home, settings.restoring_dir):
        make_folder(folder)
    settings.restoring_mark.touch(mode=0o600)


def _moved(settings: Settings) -> Path:
    """Names what is being moved to HOME, from before the first until all of it is there."""
    return settings.restoring_dir / "MOVING"


def _undo(settings: Settings) -> bool:
    """Remove all that a killed restore has made; whether there was one."""
    if not settings.restoring_dir.exists():
        return False
    began = settings.restoring_mark.exists()
    wait_for_its_end(settings.restoring_dir)
    if began and _moved(settings).exists():
        for name in json.loads(_moved(settings).read_text()):
            # What is no longer aside is the one that was moved.
            if not os.path.lexists(settings.restoring_dir / name):
                _remove(settings.home / name)
    for path in settings.restoring_dir.iterdir():
        if path != settings.restoring_mark:
            _remove(path)
    return began


def _discard(settings: Settings) -> None:
    """Leave HOME as it was before anything was put into it."""
    _undo(settings)
    settings.restoring_mark.unlink(missing_ok=True)
    if settings.restoring_dir.exists():
        settings.restoring_dir.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _extract(settings: Settings, path: Path) -> None:
    """Write every file but the log into HOME/restoring, readable by their owner only."""
    for name, pieces in contents(path):
        if name.partition("/")[0] == STREAM:
            continue
        target = settings.restoring_dir / name
        for folder in reversed(target.relative_to(settings.restoring_dir).parents):
            (settings.restoring_dir / folder).mkdir(mode=0o700, exist_ok=True)
        with new_file(target) as file:
            file.writelines(pieces)


def _place(settings: Settings) -> None:
    """Move all to HOME, on disk first; the mark goes when nothing is left to do."""
    work, home = settings.restoring_dir, settings.home
    for path in [*work.rglob("*"), work]:
        sync(path)
    names = [name for name in PLACED if (work / name).exists()]
    _moved(settings).write_text(json.dumps(names))
    sync(_moved(settings))
    sync(work)
    for name in names:
        # Only empty folders are there, and a rename over one fails where it is not empty itself.
        _remove(home / name)
        (work / name).rename(home / name)
    sync(home)
    settings.restoring_mark.unlink()
    shutil.rmtree(work)
