"""SQLite, DuckDB and memory hold the same rows of any stream, in any batches, across any restarts."""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.events.admin import BanditReset
from projections.checkpoint import Checkpoint
from projections.damage import StoreDamaged
from projections.folds.changes import Put, coalesce
from projections.folds.tables import BY_NAME, TIPS, Store, tables_of
from projections.projector import SinkBusy
from projections.sinks.duckdb import FEW, AnalyticsInUse, DuckdbSink
from projections.sinks.memory import MemorySink
from projections.sinks.sqlite import SqliteSink, StoreInUse
from tests.folds.log import Log
from tests.folds.stories import ANYTHING, months, stories
from tests.projections.listed import AnySink, ListedStream, all_rows, close, folded, open_sink, stream_of

some = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
STORES: tuple[Store, ...] = ("sqlite", "duckdb")
CHECKPOINT = Checkpoint("TIPS", "c", 5, 7, "m", 1, "wellbeing.v1")

kinds = pytest.mark.parametrize("kind", STORES)
"""Each store that has files."""


@contextmanager
def folder() -> Iterator[Path]:
    """A folder of one example."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@given(stories(ANYTHING | months), st.integers(1, 9), st.sampled_from((0, FEW)))
@some
def test_every_store_holds_the_rows_of_memory_whatever_the_batches(log: Log, size: int, few: int) -> None:
    with folder() as path, patch("projections.sinks.duckdb.FEW", few):
        for store in STORES:
            memory, sink = MemorySink(store), open_sink(store, path)
            asyncio.run(folded(stream_of(log), memory))
            asyncio.run(folded(stream_of(log, size=size), sink))
            assert all_rows(sink, tables_of(store)) == all_rows(memory, tables_of(store))
            assert sink.proof() == memory.proof()
            for user in {*log.column("users", "user_id"), "nobody"}:
                assert sink.digests(user) == memory.digests(user)
            close(sink)


@given(stories(ANYTHING | months), st.lists(st.tuples(st.integers(1, 50), st.sampled_from(["end", "kill", "lose"]))))
@some
def test_restarts_at_any_point_with_any_snapshot_change_nothing(log: Log, ends: list[tuple[int, str]]) -> None:
    stream = stream_of(log, size=7)
    with folder() as path:
        for store in STORES:
            memory, upto = MemorySink(store), 0
            asyncio.run(folded(stream, memory))
            snapshot = path / f"{store}.state"
            for events, how in [*ends, (stream.last_seq, "end")]:
                upto = min(upto + events, stream.last_seq)
                if how == "lose":
                    snapshot.unlink(missing_ok=True)
                sink = open_sink(store, path)
                # A process that is killed leaves the snapshot of an earlier end.
                asyncio.run(folded(stream, sink, upto=upto, snapshot=snapshot if how == "end" else None))
                close(sink)
            sink = open_sink(store, path)
            assert all_rows(sink, tables_of(store)) == all_rows(memory, tables_of(store))
            assert sink.proof() == memory.proof()
            close(sink)


def strange(log: Log) -> None:
    """Values at the edges of what an event may hold."""
    user = "nul\0, quote', 🌱, " + "long " * 90
    log.scored(user, "d\0", x=[-0.0, 5e-324, 1.7976931348623157e308, *[0.1] * 13], context={"a": {"b": [1, None]}})
    log.scored(
        user, "huge", state_version=2**63 - 1, latency_us=2**63 - 1, missing=["a\0", "", "é"], params={"p": -0.0}
    )
    log.feedback("helpful", user, "d\0")
    log.bare("tips.feedback.helpful.ann", b"\xff\0", {"odd": "é"})
    log.bare("tips.signal.phone.ann", b'{"values": {"steps": -0.0}, "token_expires_at": "1905-01-01T00:00:00.000001Z"}')


@pytest.mark.parametrize(("kind", "few"), [("sqlite", FEW), ("duckdb", FEW), ("duckdb", 0)])
async def test_values_at_the_edges_come_back_as_they_were(
    tmp_path: Path, kind: Store, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.sinks.duckdb.FEW", few)
    log = Log()
    strange(log)
    memory, sink = MemorySink(kind), open_sink(kind, tmp_path)
    await folded(stream_of(log), memory)
    await folded(stream_of(log), sink)
    assert all_rows(sink, tables_of(kind)) == all_rows(memory, tables_of(kind))
    assert sink.digests() == memory.digests()
    close(sink)


async def test_tables_that_stand_in_two_stores_have_one_digest(tmp_path: Path) -> None:
    log = Log()
    strange(log)
    log.admin(BanditReset(user_id="ann", reason="test"))
    found = []
    for store in STORES:
        sink = open_sink(store, tmp_path)
        await folded(stream_of(log), sink)
        found.append(sink.digests())
        close(sink)
    both = found[0].keys() & found[1].keys()
    assert {"tip_scores", "candidate_lists", "feedback", "tips", "policies", "admin_actions"} <= both
    assert {name: found[0][name] for name in both} == {name: found[1][name] for name in both}


def tip(sink: AnySink, title: str, checkpoint: Checkpoint) -> None:
    row = ("walk", title, "", "rest", 1, 2, True, 5, 7)
    sink.apply(coalesce([Put(TIPS, row)]), checkpoint)


@kinds
def test_rows_and_checkpoint_come_together_or_not_at_all(
    tmp_path: Path, kind: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = open_sink(kind, tmp_path)
    tip(sink, "before", CHECKPOINT)
    unstorable = ("walk", object(), "", "rest", 1, 2, True, 6, 8)
    batches = coalesce([Put(TIPS, ("rest", "rest", "", "rest", 1, 2, True, 6, 8)), Put(TIPS, unstorable)])
    with pytest.raises(Exception, match="object"):
        sink.apply(batches, Checkpoint("TIPS", "c", 6, 8, "n", 1, "wellbeing.v1"))
    assert sink.checkpoint() == CHECKPOINT
    assert [row[1] for row in sink.rows(TIPS)] == ["before"]
    tip(sink, "after", CHECKPOINT)
    assert [row[1] for row in sink.rows(TIPS)] == ["after"]
    close(sink)


@kinds
def test_a_reset_store_is_as_new(tmp_path: Path, kind: Store) -> None:
    sink = open_sink(kind, tmp_path)
    tip(sink, "before", CHECKPOINT)
    sink.reset()
    assert sink.checkpoint() is None
    assert not any(all_rows(sink, tables_of(kind)).values())
    tip(sink, "after", CHECKPOINT)
    assert sink.checkpoint() == CHECKPOINT
    close(sink)


@kinds
def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path, kind: Store) -> None:
    path = tmp_path / f"rows.{kind}"
    path.write_bytes(b"garbage " * 1000)
    sink = open_sink(kind, tmp_path)
    assert sink.checkpoint() is None
    assert path.with_name(f"rows.{kind}.damaged").read_bytes().startswith(b"garbage")
    close(sink)


def filled(kind: Store, folder: Path) -> Path:
    """A store with rows in many pages, closed."""
    sink = open_sink(kind, folder)
    rows = [Put(TIPS, (f"tip-{n}", f"{n} " * 400, "", "rest", 1, 2, True, 5, 7)) for n in range(2000)]
    sink.apply(coalesce(rows), CHECKPOINT)
    close(sink)
    return folder / f"rows.{kind}"


def overwrite(path: Path, begin: float, end: float) -> None:
    """Random bytes at 200 places of a file, between two parts of it."""
    chance, content = Random(1), bytearray(path.read_bytes())
    for _ in range(200):
        at = int(len(content) * chance.uniform(begin, end))
        content[at : at + 64] = chance.randbytes(64)
    path.write_bytes(content)


@pytest.mark.parametrize("begin", [0.02, 0.3, 0.8])
@kinds
def test_a_file_with_damaged_pages_is_set_aside_at_once_or_at_the_next_start(
    tmp_path: Path, kind: Store, begin: float
) -> None:
    path = filled(kind, tmp_path)
    aside = path.with_name(f"{path.name}.damaged")
    overwrite(path, begin, 0.9)
    sink = open_sink(kind, tmp_path)
    if not aside.exists():
        with pytest.raises(StoreDamaged, match=f"{path.name} is damaged"):
            sink.proof()
        close(sink)
        sink = open_sink(kind, tmp_path)
    assert aside.exists()
    assert sink.checkpoint() is None
    tip(sink, "again", CHECKPOINT)
    close(sink)
    assert [row[1] for row in open_sink(kind, tmp_path).rows(TIPS)] == ["again"]


@kinds
def test_damage_that_is_met_while_rows_are_stored_is_no_passing_trouble(tmp_path: Path, kind: Store) -> None:
    path = filled(kind, tmp_path)
    sink = open_sink(kind, tmp_path)
    # Behind the store's back: what it reads now is not what it wrote.
    overwrite(path, 0.02, 0.9)
    rows = [Put(TIPS, (f"tip-{n}", "changed", "", "rest", 1, 2, True, 5, 7)) for n in range(2000)]
    with pytest.raises(StoreDamaged, match="is damaged"):
        sink.apply(coalesce(rows), CHECKPOINT)
    close(sink)
    sink = open_sink(kind, tmp_path)
    assert sink.checkpoint() is None
    assert path.with_name(f"{path.name}.damaged").exists()
    close(sink)


@kinds
def test_a_digest_is_of_one_moment_while_rows_are_written(tmp_path: Path, kind: Store) -> None:
    sink = open_sink(kind, tmp_path)
    tip(sink, "one", CHECKPOINT)
    rows = sink.rows(BY_NAME["tips"])
    first = sink.proof()
    tip(sink, "two", Checkpoint("TIPS", "c", 6, 8, "n", 1, "wellbeing.v1"))
    second = sink.proof()
    assert first.checkpoint == CHECKPOINT
    assert second.checkpoint is not None
    assert second.checkpoint.seq == 6
    assert first.tables["tips"] != second.tables["tips"]
    assert first.digest != second.digest
    list(rows)
    close(sink)


def test_two_writers_of_one_sqlite_file_are_told_apart(tmp_path: Path) -> None:
    first, second = SqliteSink(tmp_path / "rows.sqlite"), SqliteSink(tmp_path / "rows.sqlite")
    tip(first, "mine", CHECKPOINT)
    with pytest.raises(StoreInUse, match="another process"):
        tip(second, "mine", CHECKPOINT)
    first.close()
    second.close()


def test_a_locked_sqlite_file_is_only_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink, other = SqliteSink(tmp_path / "rows.sqlite"), SqliteSink(tmp_path / "rows.sqlite")
    sink.connection.execute("PRAGMA busy_timeout = 1")
    other.connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(SinkBusy, match="locked"):
        tip(sink, "mine", CHECKPOINT)
    other.connection.execute("ROLLBACK")
    tip(sink, "mine", CHECKPOINT)
    sink.close()
    other.close()


def test_a_duckdb_that_has_no_memory_left_is_only_busy(tmp_path: Path) -> None:
    sink = DuckdbSink(tmp_path / "rows.duckdb", {"threads": 1})
    sink.cursor().execute("SET memory_limit = '1MB'; SET max_temp_directory_size = '0MB'")
    rows = [Put(TIPS, (f"tip-{n}", "x" * 4000, "", "rest", 1, 2, True, 5, 7)) for n in range(2000)]
    with pytest.raises(SinkBusy, match="memory"):
        sink.apply(coalesce(rows), CHECKPOINT)
    assert sink.checkpoint() is None
    sink.cursor().execute("SET memory_limit = '1GB'")
    sink.apply(coalesce(rows), CHECKPOINT)
    assert len(list(sink.rows(TIPS))) == 2000
    sink.close()


def test_a_duckdb_that_cannot_even_roll_back_is_only_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = DuckdbSink(tmp_path / "rows.duckdb", {"threads": 1})
    tip(sink, "before", CHECKPOINT)

    class Starving:
        """The sink's own connection, out of memory at each COMMIT and ROLLBACK, as DuckDB 1.5.5 can be."""

        def __init__(self, writer: duckdb.DuckDBPyConnection) -> None:
            self.writer = writer

        def execute(self, statement: str, *values: Any) -> duckdb.DuckDBPyConnection:
            if statement in ("COMMIT", "ROLLBACK"):
                raise duckdb.OutOfMemoryException("failed to allocate data")
            return self.writer.execute(statement, *values)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.writer, name)

    monkeypatch.setattr(sink, "_writer", Starving(sink._writer))
    with pytest.raises(SinkBusy, match="allocate"):
        tip(sink, "mine", CHECKPOINT)
    tip(sink, "mine", CHECKPOINT)
    assert [row[1] for row in sink.rows(TIPS)] == ["mine"]
    sink.close()


def test_a_duckdb_file_open_elsewhere_is_said_to_be(tmp_path: Path, other_process: Callable[[str], object]) -> None:
    path = tmp_path / "rows.duckdb"
    other_process(f"import duckdb; held = duckdb.connect({str(path)!r}); held.execute('CREATE TABLE t (a INT)')")
    with pytest.raises(AnalyticsInUse, match="stop it first"):
        DuckdbSink(path)


async def test_an_older_schema_gives_way_to_a_new_fold(tmp_path: Path) -> None:
    for kind in STORES:
        sink = open_sink(kind, tmp_path)
        tip(sink, "before", Checkpoint("TIPS", ListedStream().created, 1, 7, "m", 0, "wellbeing.v1"))
        close(sink)
        sink = open_sink(kind, tmp_path)
        log = Log()
        log.feedback("helpful")
        await folded(stream_of(log), sink)
        assert not list(sink.rows(TIPS))
        assert len(list(sink.rows(BY_NAME["feedback"]))) == 1
        close(sink)


def test_a_copied_store_is_as_one_made_at_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.sinks.duckdb._new_files", itertools.count())
    made = DuckdbSink(tmp_path / "made.duckdb")
    with monkeypatch.context() as patched:
        patched.delattr("projections.sinks.duckdb.create_tables")
        copied = DuckdbSink(tmp_path / "copied.duckdb")
    assert {path.name for path in tmp_path.iterdir()} == {"made.duckdb", "made.duckdb.wal", "copied.duckdb"}
    assert copied.relations() == made.relations()
    assert copied.proof() == made.proof()
    tip(copied, "in one", CHECKPOINT)
    assert not list(made.rows(TIPS))
    # What a file that is gone has left is played into no copy, and where none can be put one is made.
    shutil.copy(tmp_path / "copied.duckdb.wal", tmp_path / "next.duckdb.wal")
    monkeypatch.setattr("projections.sinks.duckdb.empty_file", lambda: (tmp_path / "nowhere").read_bytes())
    for name in ("next.duckdb", "other.duckdb"):
        sink = DuckdbSink(tmp_path / name)
        assert sink.checkpoint() is None
        assert sink.relations() == made.relations()
        sink.close()
    made.close()
    copied.close()
