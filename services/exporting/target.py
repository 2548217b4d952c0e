"""Where an export goes: a file that has its name only once it is complete, in a form that the name says."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from contracts.envelope import Entry
from services.durable import whole_file
from services.exporting.errors import ExportFailed
from services.exporting.lines import event_line


class Format(StrEnum):
    """What `tipstream export` writes."""

    JSONL = "jsonl"
    PARQUET = "parquet"


Put = Callable[[Entry], object]
"""Takes one event. Raises OSError when there is no room."""

_BY_NAME = {".jsonl": Format.JSONL, ".jsonl.gz": Format.JSONL, ".parquet": Format.PARQUET}


def format_of(path: Path, asked: Format | None = None) -> Format:
    """What the name or whoever runs it asks for. Raises ExportFailed when that is nothing known, or two things."""
    for ending, form in _BY_NAME.items():
        if path.name.endswith(ending):
            if asked not in (None, form):
                raise ExportFailed(f"{path}: the name asks for {form}, --format for {asked}")
            return form
    if asked is not None:
        return asked
    raise ExportFailed(f"{path}: in which format? End the name in {', '.join(_BY_NAME)}, or give --format")


@contextmanager
def target(path: Path, form: Format, *, force: bool = False) -> Iterator[Put]:
    """A place to put events that is at `path` when the block has ended, and nowhere when it was left by an error.

    A name in .gz is packed. Raises NotWritten.
    """
    with whole_file(path, force=force) as file:
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
