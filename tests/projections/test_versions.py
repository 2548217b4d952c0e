"""Versions of a projection on disk and the pointer that says which is live."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from threading import Barrier

import pytest

from projections.folds.digest import combined
from projections.pointers import Pointer, Pointers
from projections.sinks.duckdb import DuckdbSink
from projections.sinks.sqlite import SqliteSink
from projections.sinks.versions import STORES, Versions, proof_of
from tests.folds.log import Log
from tests.projections.listed import stream_of


def touch(home: Path, *names: str) -> None:
    (home / "read_models").mkdir(exist_ok=True)
    for name in names:
        (home / "read_models" / name).touch()


def names(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "read_models").iterdir())


def test_a_pointer_remembers_the_version_before(tmp_path: Path) -> None:
    pointers = Pointers(tmp_path)
    assert pointers.get("sqlite") is None
    first = pointers.set("sqlite", 1)
    assert (first.version, first.previous) == (1, None)
    second = pointers.set("sqlite", 4)
    assert (second.version, second.previous) == (4, 1)
    assert second.switched_at >= first.switched_at > 0
    assert pointers.set("sqlite", 4) == second
    back = pointers.set("sqlite", 1)
    assert (back.version, back.previous) == (1, 4)
    assert pointers.get("sqlite") == Pointers(tmp_path).get("sqlite") == back
    assert pointers.get("analytics") is None
    pointers.close()


def test_before_anything_was_live_it_is_version_1(tmp_path: Path) -> None:
    pointer = Versions(tmp_path).pointer("scorer")
    assert (pointer.version, pointer.previous) == (1, None)


def test_a_new_version_has_a_number_that_was_never_on_disk(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    assert versions.next_number("sqlite") == 2
    touch(tmp_path, "sqlite-v1.sqlite", "sqlite-v7.state", "sqlite-vx.state", "analytics-v12.duckdb")
    assert versions.numbers("sqlite") == [1, 7]
    assert versions.next_number("sqlite") == 8
    versions.point("sqlite", 9)
    assert versions.next_number("sqlite") == 10


def test_only_versions_older_than_one_step_back_are_dropped(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    touch(tmp_path, "sqlite-v1.sqlite", "sqlite-v1.state", "sqlite-v2.sqlite", "sqlite-v3.sqlite", "query-v1.duckdb")
    versions.point("sqlite", 1)
    versions.drop_old("sqlite")
    versions.point("sqlite", 2)
    versions.drop_old("sqlite")
    assert versions.numbers("sqlite") == [1, 2, 3]
    versions.point("sqlite", 3)
    versions.drop_old("sqlite")
    assert names(tmp_path) == ["pointers.sqlite", "query-v1.duckdb", "sqlite-v2.sqlite", "sqlite-v3.sqlite"]


def damage(home: Path) -> None:
    """Random bytes where the pointers were."""
    (home / "read_models").mkdir(exist_ok=True)
    (home / "read_models" / "pointers.sqlite").write_bytes(Random(1).randbytes(12_000))


def test_damaged_pointers_are_set_aside_once_by_all_who_start(tmp_path: Path) -> None:
    for _ in range(5):
        damage(tmp_path)
        beginning = Barrier(4)

        def start(projection: str, beginning: Barrier = beginning) -> Pointer:
            versions = Versions(tmp_path)
            beginning.wait()
            return versions.point(projection, versions.live(projection))

        with ThreadPoolExecutor(4) as threads:
            said = list(threads.map(start, STORES))
        assert [Versions(tmp_path).pointer(projection) for projection in STORES] == said
        assert [pointer.version for pointer in said] == [1] * 4
        assert names(tmp_path) == ["pointers.sqlite", "pointers.sqlite.damaged"]


def test_where_nothing_says_which_version_was_live_it_is_a_new_one(tmp_path: Path) -> None:
    touch(tmp_path, "sqlite-v3.sqlite", "sqlite-v3.state", "query-v1.duckdb", "query-v2.duckdb")
    damage(tmp_path)
    # The one that is left after an erasure, and one of which an older one may be "as it was".
    assert Versions(tmp_path).live("sqlite") == 3
    assert Versions(tmp_path).live("query") == 3
    # Also when its process dies before there is a file.
    assert Versions(tmp_path).live("query") == 3
    assert Versions(tmp_path).live("analytics") == 1


def test_pointers_that_were_lost_are_said_again_by_the_owner(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    versions.point("sqlite", 1)
    versions.point("sqlite", 4)
    damage(tmp_path)
    versions.stay("sqlite", 4, 1)
    versions.stay("sqlite", 5, 4)
    pointer = versions.pointer("sqlite")
    assert (pointer.version, pointer.previous) == (4, 1)


@pytest.mark.parametrize(
    ("projection", "sink", "files"),
    [
        ("sqlite", SqliteSink, ["sqlite-v3.sqlite", "sqlite-v3.state"]),
        ("analytics", DuckdbSink, ["analytics-v3.duckdb", "analytics-v3.state"]),
        ("query", DuckdbSink, ["query-v3.duckdb", "query-v3.state"]),
        ("scorer", type(None), ["scorer-v3.state"]),
    ],
)
async def test_each_projection_has_its_files(tmp_path: Path, projection: str, sink: type, files: list[str]) -> None:
    log = Log()
    log.scored()
    log.feedback()
    opened = Versions(tmp_path).open(projection, 3)
    projector = opened.projector(stream_of(log))
    await projector.run(upto=3)
    proof = proof_of(opened, projector)
    opened.close()
    assert type(opened.sink) is sink
    assert names(tmp_path) == files
    assert proof.checkpoint is not None
    assert proof.checkpoint.seq == 3
    assert proof.digest == combined(proof.tables.items())


async def test_the_scorers_word_is_the_table_of_sums(tmp_path: Path) -> None:
    log = Log()
    for user in ("ann", "bob"):
        log.scored(user)
        log.feedback("helpful", user)
    log.reset("bob")
    versions, found = Versions(tmp_path), []
    for projection in ("sqlite", "scorer"):
        opened = versions.open(projection, 1)
        projector = opened.projector(stream_of(log))
        await projector.run(upto=6)
        found.append([proof_of(opened, projector, user).tables["bandit_stats"] for user in (None, "ann", "bob", "eve")])
        opened.close()
    assert found[0] == found[1]
    assert len(set(found[0])) == 4
