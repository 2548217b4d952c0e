"""The read model as the API and the recommender see it: rows by column, the live version, a clear word when absent."""

import sqlite3
import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest

from contracts.events.admin import (
    Arm,
    DeadLetterSkipped,
    ExperimentStarted,
    PolicyPromoted,
    QuerySaved,
    ReplayRequested,
)
from contracts.events.catalog import TipPublished, TipRetired
from contracts.feature_sets import CURRENT
from projections import queries
from projections.queries import ReadModel, ReadModelMissing
from projections.sinks.versions import Versions
from tests.folds.log import Log, X
from tests.projections.listed import ListedStream, stream_of


async def fold_version(home: Path, number: int, stream: ListedStream, *, live: bool = True) -> None:
    """Fold a version of the SQLite projection to the stream's end."""
    versions = Versions(home)
    opened = versions.open("sqlite", number)
    await opened.projector(stream).run(upto=stream.last_seq)
    opened.close()
    if live:
        versions.point("sqlite", number)


def a_bit_of_everything() -> Log:
    """A log in which every table has rows."""
    log = Log()
    for tip in ("walk", "rest"):
        log.admin(TipPublished(tip_id=tip, title=tip.title(), category="rest", effort=1, minutes=5))
    log.admin(TipRetired(tip_id="rest"))
    log.admin(PolicyPromoted(policy="linucb", params={"alpha": 0.5}))
    log.admin(QuerySaved(query_id="q", name="mine", sql="select 1"))
    log.admin(ReplayRequested(replay_id="r", projections=["sqlite"]))
    log.admin(ExperimentStarted(experiment_id="x", name="x", salt="s", arms=[Arm(policy="linucb", weight=1.0)]))
    log.signal({"steps": 5000.0, "mood": 0.5}, source="phone")
    for number in range(3):
        log.scored(decision_id=f"d{number}", missing=["steps"], features={"f": 1.0})
    log.scored("bob", "b")
    log.feedback("helpful", decision_id="d1")
    log.bare("tips.feedback.helpful.eve", b"nonsense")
    log.bare("tips.feedback.helpful.eve", b"more nonsense")
    log.admin(DeadLetterSkipped(seq=log.seq + 1))
    return log


# StreamStarted comes before.
LAST = a_bit_of_everything().seq + 1


@pytest.fixture
async def model(tmp_path: Path) -> Any:
    await fold_version(tmp_path, 1, stream_of(a_bit_of_everything()))
    model = ReadModel(tmp_path)
    yield model
    model.close()


def test_the_catalog_and_the_policies(model: ReadModel) -> None:
    assert [(row["tip_id"], row["active"]) for row in model.tips()] == [("rest", False), ("walk", True)]
    assert [row["tip_id"] for row in model.tips(active=True)] == ["walk"]
    assert [row["tip_id"] for row in model.tips(active=False)] == ["rest"]
    tip = model.tip("walk")
    assert tip is not None
    assert (tip["title"], tip["minutes"]) == ("Walk", 5)
    assert model.tip("none") is None
    assert [(row["policy"], row["standing"], row["weight"]) for row in model.policies()] == [("linucb", "live", 1.0)]


def test_a_person(model: ReadModel) -> None:
    user = model.user("ann")
    assert user is not None
    assert (user["decisions"], user["feedback"], user["signals"]) == (3, 1, 1)
    assert model.user("nobody") is None
    assert [(row["name"], row["value"], row["source"]) for row in model.online_features("ann")] == [
        ("mood", 0.5, "phone"), ("steps", 5000.0, "phone"),
    ]  # fmt: skip
    (stats,) = model.stats("ann")
    assert (stats["feature_set"], stats["pulls"], stats["cumulative_reward"]) == (CURRENT, 1, 0.5)
    assert len(stats["s"]) == 8 * len(X) ** 2
    assert [row["decision_id"] for row in model.feature_history("ann")] == ["d2", "d1", "d0"]
    assert [row["decision_id"] for row in model.decisions("ann", 2)] == ["d2", "d1"]
    assert model.decisions("ann")[0]["missing"] == ["steps"]
    latest = model.decisions(limit=2)
    assert [row["decision_id"] for row in latest] == ["b", "d2"]
    older = [row["decision_id"] for row in model.decisions("ann", before=latest[1]["seq"])]
    assert older == [row["decision_id"] for row in model.decisions(before=latest[1]["seq"])] == ["d1", "d0"]
    assert model.contexts([row["seq"] for row in latest]) == {row["seq"]: "{}" for row in latest}
    assert model.contexts([]) == {}
    assert [model.told("ann", seq) for seq in (0, latest[1]["seq"], LAST)] == [0, 3, 4]


def test_one_decision_and_its_feedback(model: ReadModel) -> None:
    decision = model.decision("d1")
    assert decision is not None
    assert (decision["user_id"], decision["reward"], decision["external"]) == ("ann", 0.5, False)
    assert [(row["action"], row["effect"]) for row in model.feedback_of("d1")] == [("helpful", "pull")]
    assert model.decision("none") is None
    assert model.feedback_of("d0") == []


def test_people_are_searched_and_paged(model: ReadModel) -> None:
    assert [row["user_id"] for row in model.users()] == ["ann", "bob"]
    assert [row["user_id"] for row in model.users(search="o")] == ["bob"]
    assert model.users(search="%") == []
    assert [row["user_id"] for row in model.users(limit=1, offset=1)] == ["bob"]


def test_what_admins_see(model: ReadModel) -> None:
    assert [row["reason"] for row in model.dead_letters()] == ["not_json", "not_json"]
    assert model.dead_letters()[0]["data"] == b"more nonsense"
    assert [row["skipped_by"] for row in model.dead_letters()] == ["ada", None]
    assert len(model.dead_letters(1)) == 1
    assert [row["name"] for row in model.saved_queries()] == ["mine"]
    assert [row["replay_id"] for row in model.replays()] == ["r"]
    assert [row["experiment_id"] for row in model.experiments()] == ["x"]
    assert model.admin_actions(1)[0]["type"] == "tipstream.dead_letter.skipped.v1"


def test_how_far_it_is_and_how_much_it_holds(model: ReadModel) -> None:
    checkpoint = model.checkpoint()
    assert checkpoint is not None
    assert checkpoint.seq == model.seq() == LAST
    counts = {"users": 2, "decisions": 4, "feedback": 1, "signals": 1, "tips": 1, "dead_letters": 1}
    assert model.counts() == counts


async def test_a_switch_is_seen_at_the_next_query(tmp_path: Path) -> None:
    stream = stream_of(a_bit_of_everything())
    await fold_version(tmp_path, 1, stream)
    model = ReadModel(tmp_path)
    assert model.seq() == LAST
    stream.add(a_bit_of_everything().records[:1])
    await fold_version(tmp_path, 2, stream, live=False)
    assert model.seq() == LAST
    Versions(tmp_path).point("sqlite", 2)
    assert model.seq() == LAST + 1
    Versions(tmp_path).point("sqlite", 1)
    assert model.seq() == LAST
    model.close()


async def test_files_deleted_and_folded_again_are_found(tmp_path: Path) -> None:
    stream = stream_of(a_bit_of_everything())
    await fold_version(tmp_path, 1, stream)
    model = ReadModel(tmp_path)
    assert model.seq() == LAST
    for path in (tmp_path / "read_models").iterdir():
        path.unlink()
    with pytest.raises(ReadModelMissing, match="start `tipstream projector`"):
        model.seq()
    stream.add(a_bit_of_everything().records[:1])
    await fold_version(tmp_path, 1, stream)
    assert model.seq() == LAST + 1
    model.close()


@pytest.mark.parametrize("name", ["pointers.sqlite", "sqlite-v1.sqlite"])
async def test_a_damaged_file_is_named_and_only_missing(model: ReadModel, tmp_path: Path, name: str) -> None:
    assert model.seq() == LAST
    path = tmp_path / "read_models" / name
    damaged = path.with_name("new")
    damaged.write_bytes(Random(1).randbytes(12_000))
    damaged.replace(path)
    with pytest.raises(ReadModelMissing, match=name):
        model.seq()


def test_without_a_read_model_it_says_what_to_do(tmp_path: Path) -> None:
    model = ReadModel(tmp_path)
    with pytest.raises(ReadModelMissing, match="start `tipstream projector`"):
        model.policies()
    model.close()


async def test_before_the_first_event_it_is_empty(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    versions.open("sqlite", 1).close()
    versions.point("sqlite", 1)
    model = ReadModel(tmp_path)
    assert (model.seq(), model.checkpoint(), model.tips()) == (0, None, [])
    model.close()


async def test_many_threads_read_while_rows_are_written(tmp_path: Path) -> None:
    stream, versions = stream_of(a_bit_of_everything(), size=1), Versions(tmp_path)
    opened = versions.open("sqlite", 1)
    versions.point("sqlite", 1)
    model, stop = ReadModel(tmp_path), threading.Event()
    seen: list[list[int]] = [[] for _ in range(4)]
    problems: list[Exception] = []

    def read(into: list[int]) -> None:
        try:
            while not stop.is_set():
                into.append(model.seq())
                model.decisions("ann")
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=read, args=(into,)) for into in seen]
    for thread in threads:
        thread.start()
    await opened.projector(stream).run(upto=LAST)
    stop.set()
    for thread in threads:
        thread.join()
    assert not problems
    assert all(into == sorted(into) for into in seen)
    opened.close()
    model.close()


async def test_a_search_ends_early_however_many_people_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "SEARCHED", 2)
    log = Log()
    for user in ("Anna", "Hanna", "anna", "Joanna", "bob 🌱"):
        log.signal({"steps": 1.0}, user=user)
    await fold_version(tmp_path, 1, stream_of(log))
    model = ReadModel(tmp_path)
    found = {
        search: [row["user_id"] for row in model.users(search=search)] for search in ("anna", "🌱", "An", "H", "x")
    }
    assert found["anna"] == ["Joanna", "anna"], "the latest two are searched within, beginnings everywhere"
    assert found["🌱"] == ["bob 🌱"]
    assert found["An"] == ["Joanna", "Anna"]
    assert found["H"] == ["Hanna"]
    assert found["x"] == []
    model.close()
    path = Versions(tmp_path).file("sqlite", 1)
    connection = sqlite3.connect(path)
    plan = connection.execute("EXPLAIN QUERY PLAN SELECT * FROM users ORDER BY last_seq DESC LIMIT 9").fetchall()
    connection.close()
    assert "users_last_seq" in plan[0][3]
    assert len(plan) == 1, "nothing is sorted"
