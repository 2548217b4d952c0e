"""Versions of a projection are files side by side; one pointer row a projection says which of them is live.

`HOME/read_models/<projection>-v<N>.sqlite | .duckdb` hold the rows, `.state` beside them the fold's snapshot.
"""

import logging
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from projections.folds.changes import Row
from projections.folds.digest import hexadecimal, rows_digest
from projections.folds.learning import stats_rows
from projections.folds.projection import State
from projections.folds.tables import BANDIT_STATS, Store
from projections.pointers import Pointer, Pointers, PointersDamaged
from projections.projector import Projector, Source
from projections.sinks.digests import Digests
from projections.sinks.duckdb import DuckdbSink
from projections.sinks.snapshots import SnapshotFile
from projections.sinks.sqlite import SqliteSink

STORES: dict[str, Store | None] = {"sqlite": "sqlite", "analytics": "duckdb", "query": "duckdb", "scorer": None}
"""The store of each projection; the scorer keeps nothing but its snapshot."""

# So that tiny transactions do not pile up; whoever needs to read its own write asks SQLite or the scorer.
DUCKDB_INTERVAL_S = 0.5
# The scorer answers people between two folds: one fold of several events takes less of it than as many of one.
GATHER_S = 0.004
# Two such processes share a machine with everything else; what does not fit goes to disk.
DUCKDB_SETTINGS: Mapping[str, str | int] = {"memory_limit": "1GiB", "threads": 2}

log = logging.getLogger(__name__)


@dataclass(slots=True)
class OpenVersion:
    """A version whose files are open: its sink (None for the scorer) and its snapshot."""

    projection: str
    number: int
    store: Store | None
    sink: SqliteSink | DuckdbSink | None
    snapshot: SnapshotFile

    def projector(self, source: Source) -> Projector:
        """What folds into it."""
        interval = DUCKDB_INTERVAL_S if self.store == "duckdb" else 0.0
        gather = GATHER_S if self.sink is None else 0.0
        return Projector(source, self.sink, self.store, self.snapshot, min_interval_s=interval, gather_s=gather)

    def close(self) -> None:
        """Close the files; nothing may use them any more."""
        if self.sink is not None:
            self.sink.close()


class Versions:
    """The versions under one HOME."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "read_models"
        self._pointers = Pointers(self.folder)

    def pointer(self, projection: str) -> Pointer:
        """Which version is live; version 1 before anything was."""
        return self._said(projection) or Pointer(projection, 1, None, 0)

    def live(self, projection: str) -> int:
        """The version to go on with, for its owner. Where nothing says which of several was live, it is a new one."""
        self._pointers.mend()
        pointer, numbers = self._said(projection), self.numbers(projection)
        if pointer is not None:
            return pointer.version
        if len(numbers) < 2:
            return numbers[0] if numbers else 1
        log.warning("nothing says which version of %s was live (%s): it is folded again", projection, numbers)
        return self.point(projection, numbers[-1] + 1).version

    def stay(self, projection: str, version: int, previous: int | None) -> None:
        """Say again what is live, for its owner, if the pointers were lost."""
        if self._said(projection) is None:
            self._pointers.restore(projection, version, previous)

    def point(self, projection: str, version: int) -> Pointer:
        """Make a version the live one; the one that was live becomes the previous."""
        return self._pointers.set(projection, version)

    def numbers(self, projection: str) -> list[int]:
        """The versions that have files, in order."""
        pattern = re.compile(rf"{re.escape(projection)}-v([1-9]\d*)\.")
        matches = (pattern.match(path.name) for path in self.folder.glob(f"{projection}-v*"))
        return sorted({int(match[1]) for match in matches if match})

    def next_number(self, projection: str) -> int:
        """A number that no version of the projection has."""
        return max([self.pointer(projection).version, *self.numbers(projection)]) + 1

    def file(self, projection: str, version: int) -> Path:
        """The file of a version's rows (of its state, for a projection without rows)."""
        return self.folder / f"{projection}-v{version}.{STORES[projection] or 'state'}"

    def snapshot(self, projection: str, version: int) -> Path:
        """The file of a version's fold state."""
        return self.folder / f"{projection}-v{version}.state"

    def open(self, projection: str, version: int) -> OpenVersion:
        """Open a version's files, made when absent; one process at a time. Raises StoreInUse, AnalyticsInUse."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        store, path = STORES[projection], self.file(projection, version)
        sink: SqliteSink | DuckdbSink | None = None
        if store == "sqlite":
            sink = SqliteSink(path)
        elif store == "duckdb":
            sink = DuckdbSink(path, DUCKDB_SETTINGS)
        return OpenVersion(projection, version, store, sink, SnapshotFile(self.snapshot(projection, version)))

    def drop(self, projection: str, version: int) -> None:
        """Delete the files of a version that is not live."""
        for path in self.folder.glob(f"{projection}-v{version}.*"):
            if path.is_dir():
                # What DuckDB could not hold in memory.
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def keep_only(self, projection: str, version: int) -> None:
        """Delete every other version, also what was set aside or left half written; nothing leads back."""
        self._pointers.forget_previous(projection)
        for number in self.numbers(projection):
            if number != version:
                self.drop(projection, number)
        for pattern in (f"{projection}-v*.damaged", f".{projection}-v*.draft"):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)

    def drop_old(self, projection: str) -> None:
        """Delete the versions that neither the pointer nor one step back leads to, and that are older than both."""
        pointer = self.pointer(projection)
        oldest = min(pointer.version, pointer.previous or pointer.version)
        for number in self.numbers(projection):
            if number < oldest:
                self.drop(projection, number)

    def _said(self, projection: str) -> Pointer | None:
        try:
            return self._pointers.get(projection)
        except PointersDamaged:
            self._pointers.mend()
            return self._pointers.get(projection)


def proof_of(version: OpenVersion, projector: Projector, user_id: str | None = None) -> Digests:
    """The digests of a version and their checkpoint; the scorer's is over its state, which must stand still."""
    return prepare_proof(version, projector, user_id)()


def prepare_proof(version: OpenVersion, projector: Projector, user_id: str | None = None) -> Callable[[], Digests]:
    """What works the digests out, which may take long and in any thread; call this itself between two events."""
    if version.sink is not None:
        return partial(version.sink.proof, user_id)
    position, rows = projector.position, sums_of(projector.state, user_id)
    return lambda: Digests(position, {BANDIT_STATS.name: hexadecimal(rows_digest(rows))})


def sums_of(state: State, user_id: str | None = None) -> list[Row]:
    """The rows of `bandit_stats` as the state has them, only one person's when `user_id` is given."""
    people = state.learning.people
    chosen: Iterable[str] = people if user_id is None else [user_id] if user_id in people else []
    return [row for user in chosen for row in stats_rows(user, people[user])]
