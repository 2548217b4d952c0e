"""What is on disk for good: synced files and folders, and files that have their name only once they are whole."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from contracts.errors import TipstreamError


class NotWritten(TipstreamError):
    """A file could not be put where it was asked for, and nothing was left there; the message says what to mend."""


def sync(path: Path) -> None:
    """Return once a file's content, or a folder's names, are on disk. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def new_file(path: Path) -> IO[bytes]:
    """A file that was not there yet, open for writing; only its owner can read it. Raises OSError."""
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600))


def check_place(path: Path, *, force: bool, home: Path | None = None) -> None:
    """NotWritten when a file cannot be put there: no folder, something there that must not be replaced, or in `home`,
    whose files are Tipstream's own.
    """
    try:
        if not path.parent.is_dir():
            raise NotWritten(f"{path}: there is no folder {path.parent}; make it first")
        if home is not None and path.resolve().is_relative_to(home.resolve()):
            raise NotWritten(f"{path}: lies in {home}, where Tipstream keeps its own files; choose another folder")
        if path.exists() and not path.is_file():
            raise NotWritten(f"{path}: is no regular file; name a file")
        if os.path.lexists(path) and not force:
            raise NotWritten(f"{path}: is there already; give another name, or --force to replace it")
    except OSError as error:
        raise NotWritten(f"{path}: cannot be written ({error.strerror or error})") from None


@contextmanager
def whole_file(path: Path, *, force: bool = False) -> Iterator[IO[bytes]]:
    """A file that is at `path` when the block has ended, and nowhere when it was left by an error.

    Only its owner can read it. A process that is killed leaves a hidden `.tipstream-...` beside it. Raises NotWritten.
    """
    check_place(path, force=force)
    draft = path.with_name(f".tipstream-{secrets.token_hex(8)}")
    try:
        try:
            with new_file(draft) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            # Again: writing a long log takes minutes.
            check_place(path, force=force)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        said = error.strerror or error
        if error.filename not in (None, str(draft), str(path)):
            raise NotWritten(f"{error.filename}: {said}; {path} was not written") from None
        raise NotWritten(f"{path}: cannot be written ({said}); nothing was left there") from None
    # The file is whole by now; where folders cannot be synced its name is on disk a little later.
    with suppress(OSError):
        sync(path.parent)
