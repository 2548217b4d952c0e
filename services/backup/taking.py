"""Taking a backup while everything runs: the outbox first, then the log, then the rest of HOME that is made of neither.

In this order nothing is lost between them: a decision that leaves the outbox meanwhile is in both, and counts once.
"""

import asyncio
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from contracts.times import format_time
from services.accounts.store import FILE as ACCOUNTS
from services.backup.archive import ArchiveWriter, Progress
from services.backup.errors import BackupFailed
from services.backup.manifest import FORMAT, STREAM, Log, Manifest
from services.bootstrap import open_decoder, trusted_signer
from services.bus.errors import SnapshotBroken
from services.bus.jetstream import JetStreamBus
from services.durable import whole_file
from services.publishing import now_us
from services.releases import release
from services.settings import PREFIX, Settings

PART = 16 * 1024 * 1024
DATABASES = frozenset({".sqlite", ".db"})
BESIDE_A_DATABASE = ("-wal", "-shm", "-journal")


async def take(
    bus: JetStreamBus, settings: Settings, path: Path, progress: Progress, *, force: bool = False
) -> Manifest:
    """Write a backup to `path`, which appears once it is complete and on disk.

    Raises NotWritten, BackupFailed, ForeignSigningKey, NotTipstream, SnapshotBroken, ServerRefused, BusUnavailable.
    """
    with whole_file(path, force=force) as file, _scratch(path.parent) as scratch:
        key_id = await _trusted_key(bus, settings)
        archive = ArchiveWriter(file)
        await asyncio.to_thread(_add_folder, archive, settings.home, settings.outbox_dir, scratch)
        log = await _add_stream(archive, bus, progress)
        progress("copying HOME", 0, None)
        for part in (settings.keys_dir, settings.secrets_dir, settings.home / ACCOUNTS, settings.mlflow_dir):
            await asyncio.to_thread(_add_folder, archive, settings.home, part, scratch)
        manifest = Manifest(
            format=FORMAT,
            release=release("tipstream"),
            taken_at=format_time(now_us()),
            key_id=key_id,
            log=log,
            members=tuple(archive.members),
        )
        archive.close(manifest)
    return manifest


async def _trusted_key(bus: JetStreamBus, settings: Settings) -> str:
    """The key of HOME, which must be the log's: without it nothing could be signed after a restore."""
    key = settings.keys_dir / "signing.key"
    if not key.exists():
        raise BackupFailed(
            f"{key} does not exist, so {settings.home} is not what belongs to the log; set {PREFIX}HOME to that folder"
        )
    return trusted_signer(settings, await open_decoder(bus)).key_id


@contextmanager
def _scratch(beside: Path) -> Iterator[Path]:
    """A folder for copies of databases, on the disk that has room for the backup; gone when the block has ended."""
    with tempfile.TemporaryDirectory(dir=beside, prefix=".tipstream-") as folder:
        yield Path(folder)


async def _add_stream(archive: ArchiveWriter, bus: JetStreamBus, progress: Progress) -> Log:
    """Add the log in parts that fit into memory."""
    done, number, part = 0, 0, bytearray()
    async with bus.snapshot() as snapshot:
        info = snapshot.info
        async for chunk in snapshot.chunks:
            part += chunk
            done += len(chunk)
            if len(part) >= PART:
                number += 1
                await asyncio.to_thread(archive.add, f"{STREAM}/{number:06}", bytes(part))
                part.clear()
            progress(f"{info.messages:,} events", done, None)
    archive.add(f"{STREAM}/{number + 1:06}", bytes(part))
    missing = await bus.missing(1, info.last_seq)
    if sum(last - first + 1 for first, last in missing) != info.last_seq - info.messages:
        raise SnapshotBroken("events were deleted while the backup was taken (a person was erased); take it again")
    return Log(
        name=info.name,
        created=info.created,
        server=bus.server,
        first_seq=info.first_seq,
        last_seq=info.last_seq,
        messages=info.messages,
        missing=tuple(missing),
        config=dict(snapshot.config),
        state=dict(snapshot.state),
    )


def _add_folder(archive: ArchiveWriter, home: Path, part: Path, scratch: Path) -> None:
    """Add a file, or every file of a folder: a database as one consistent whole, anything else as it is."""
    paths = sorted(part.rglob("*")) if part.is_dir() else [part]
    for path in paths:
        if not path.is_file() or path.name.endswith(BESIDE_A_DATABASE):
            continue
        name = str(path.relative_to(home))
        if not name.isprintable():
            raise BackupFailed(f"no backup was made: {str(path)!r} has a name that is no text; rename it")
        if path.suffix in DATABASES:
            copy = scratch / "database"
            _copy_database(path, copy)
            archive.add_file(name, copy)
            copy.unlink()
        else:
            archive.add_file(name, path)


def _copy_database(path: Path, copy: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as problem:
        raise BackupFailed(f"no backup was made: {path} cannot be copied to {copy.parent} ({problem})") from problem
