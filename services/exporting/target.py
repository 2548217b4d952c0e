"""Where an export goes: a file that has its name only once it is complete, in a form that the name says."""

import gzip
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import IO

from contracts.envelope import Entry
from services.exporting.errors import ExportFailed
from services.exporting.lines import event_line


class Format(StrEnum):
    """What `tipstream export` writes."""

    JSONL = "jsonl"
    PARQUET = "parquet"


Put = Callable[[Entry], object]
"""Takes one event. Raises OSError when there is no room."""

_BY_NAME = {".jsonl": Format.JSONL, ".jsonl.gz": Format.JSONL, ".parquet": Format.PARQUET}


def format_of(path: Path) -> Format:
    """What the name asks for. Raises ExportFailed when it asks for nothing known."""
    for ending, form in _BY_NAME.items():
        if path.name.endswith(ending):
            return form
    raise ExportFailed(f"{path}: in which format? End the name in {', '.join(_BY_NAME)}, or give --format")


def check_target(path: Path, *, force: bool) -> None:
    """ExportFailed when the file cannot be put there: no folder, something there that must or may not be replaced."""
    if not path.parent.is_dir():
        raise ExportFailed(f"{path}: there is no folder {path.parent}; make it first")
    if path.exists() and not path.is_file():
        raise ExportFailed(f"{path}: is no regular file and is not replaced; name a file, or - for standard output")
    if os.path.lexists(path) and not force:
        raise ExportFailed(f"{path}: is there already; give another name, or --force to replace it")


@contextmanager
def target(path: Path, form: Format, *, force: bool = False) -> Iterator[Put]:
    """A place to put events that is at `path` when the block has ended, and nowhere when it was left by an error.

    Only its owner can read it. A name in .gz is packed. Raises ExportFailed.
    """
    with _written(path, force=force) as file:
        if form is Format.PARQUET:
            # Loaded here: it takes its time, and lines do without.
            from services.exporting.parquet import ParquetRows

            with ParquetRows(file) as rows:
                yield rows.put
        elif path.suffix == ".gz":
            with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
                yield lambda entry: packed.write(event_line(entry))
        else:
            yield lambda entry: file.write(event_line(entry))


@contextmanager
def _written(path: Path, *, force: bool) -> Iterator[IO[bytes]]:
    check_target(path, force=force)
    draft = path.with_name(f".tipstream-export-{secrets.token_hex(8)}")
    try:
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            # Again: an export of a long log takes minutes.
            check_target(path, force=force)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise ExportFailed(f"{path}: cannot be written ({error.strerror or error}); nothing was left there") from None
    # The file is whole by now; where folders cannot be synced its name is on disk a little later.
    with suppress(OSError):
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
