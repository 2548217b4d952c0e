"""One training at a time on a HOME: a second one of the same log would register the same model again."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import TipstreamError

LOCK = "train.lock"


class AnotherTraining(TipstreamError):
    """Another training runs on this HOME; wait until it is done, or end the process that the message names."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold HOME/pipelines for this run; the kernel lets go of it when the process dies. Raises AnotherTraining."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            said = f"another training runs (pid {lock.read().strip()}) on {folder}; run this one again when it is done"
            raise AnotherTraining(said) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
