"""What becomes of a store whose file is damaged: its process ends, and the next start sets the file aside."""

import logging
from contextlib import suppress
from pathlib import Path

from contracts.errors import TipstreamError

log = logging.getLogger(__name__)


class StoreDamaged(TipstreamError):
    """A store's file is damaged: its process ends, sets the file aside when it starts again and folds all anew."""


def damaged(path: Path, problem: Exception) -> StoreDamaged:
    """The error to raise. It is noted beside the file too, since the next start may not meet what is damaged."""
    with suppress(OSError):
        _note(path).write_text(str(problem))
    return StoreDamaged(
        f"{path} is damaged ({problem}): its process ends, sets the file aside when it starts again and folds all anew"
    )


def noted(path: Path) -> str | None:
    """What an earlier process found damaged in the file, None when nothing."""
    try:
        return _note(path).read_text()
    except FileNotFoundError:
        return None


def set_aside(path: Path, problem: object) -> None:
    """Keep a damaged file as `<name>.damaged` and go on without; nobody may have it open for writing."""
    aside = path.with_name(f"{path.name}.damaged")
    log.warning("%s is set aside as %s: %s", path, aside.name, problem)
    path.replace(aside)
    # They belong to the damaged one: the store would play them into the next.
    for suffix in ("-wal", "-shm", "-journal", ".wal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    _note(path).unlink(missing_ok=True)


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.suspect")
