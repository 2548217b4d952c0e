"""Opening what is imported, packed or not."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from services.importing.errors import ImportFailed


def check_file(path: Path) -> None:
    """ImportFailed for nothing and for a pipe: an import reads a file twice, and a pipe gives what it holds once."""
    if not path.exists():
        raise ImportFailed(f"{path}: no such file or folder")
    if not path.is_file() and not path.is_dir():
        raise ImportFailed(f"{path}: is no regular file; save it to a file first, for an import reads it twice")


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked when its name ends in .gz; ImportFailed when it cannot be read to its end."""
    try:
        check_file(path)
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as packed:
                yield cast(IO[bytes], packed)
        else:
            with path.open("rb") as plain:
                yield plain
    except (OSError, EOFError, zlib.error) as error:
        raise ImportFailed(f"{path}: {error}") from None
