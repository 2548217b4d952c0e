"""The DuckDB views on small logs, against numbers worked out by hand."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.events.admin import Arm, ExperimentStarted, ExperimentStopped
from contracts.times import DAY_US, parse_time
from ml.experiments.assignment import arm_of
from projections.sinks import duckdb_schema
from projections.sinks.duckdb import DuckdbSink, UnknownView
from projections.sinks.duckdb_views import CANDIDATES, VIEWS
from tests.folds.log import Log
from tests.projections.days import two_days
from tests.projections.listed import folded, stream_of

DAY_1, DAY_2, DAY_3 = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)


class Shown:
    """A log and its views."""

    def __init__(self, sink: DuckdbSink) -> None:
        self.sink = sink
        self.log = Log()

    async def rows(self, view: str) -> list[dict[str, Any]]:
        """A view's rows, once the log is folded."""
        await folded(stream_of(self.log), self.sink)
        columns, rows = self.sink.view(view, 1000)
        return [dict(zip(columns, row, strict=True)) for row in rows]


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    sink = DuckdbSink(tmp_path / "views.duckdb", {"threads": 1})
    yield Shown(sink)
    sink.close()


async def test_reward_daily_counts_what_stands_now(shown: Shown) -> None:
    two_days(shown.log)
    names = ("decisions", "reacted", "helpful", "not_helpful", "done", "snoozed", "dismissed", "reward_sum")
    rows = {(row["day"], row["policy"]): row for row in await shown.rows("reward_daily")}
    assert {key: tuple(row[name] for name in names) for key, row in rows.items()} == {
        (DAY_1, "linucb"): (3, 2, 1, 0, 1, 0, 1, 1.25),
        (DAY_1, "greedy"): (1, 1, 1, 0, 0, 1, 0, 0.5),
        (DAY_2, "linucb"): (1, 0, 0, 0, 0, 0, 0, 0.0),
        (DAY_2, "obd"): (1, 1, 1, 0, 0, 0, 0, 0.5),
    }
    assert rows[DAY_1, "linucb"]["reward_per_decision"] == pytest.approx(1.25 / 3)
    assert rows[DAY_1, "linucb"]["reward_per_reaction"] == pytest.approx(1.25 / 2)
    assert rows[DAY_2, "linucb"]["reward_per_decision"] == 0
    assert rows[DAY_2, "linucb"]["reward_per_reaction"] is None


async def test_policy_compare_gives_means_with_their_intervals(shown: Shown) -> None:
    two_days(shown.log)
    rows = {row["policy"]: row for row in await shown.rows("policy_compare")}
    linucb = rows["linucb"]
    # Rewards 1.5, -0.25, 0, 0: mean 0.3125, sample variance (1.1875^2 + 0.5625^2 + 2 * 0.3125^2) / 3.
    variance = (1.1875**2 + 0.5625**2 + 2 * 0.3125**2) / 3
    error = math.sqrt(variance / 4)
    assert (linucb["decisions"], linucb["reacted"], linucb["reward_sum"]) == (4, 2, 1.25)
    assert linucb["reward_per_decision"] == 0.3125
    assert linucb["reward_per_reaction"] == 0.625
    assert linucb["variance"] == pytest.approx(variance)
    assert linucb["stderr"] == pytest.approx(error)
    assert linucb["ci_low"] == pytest.approx(0.3125 - 1.959964 * error)
    assert linucb["ci_high"] == pytest.approx(0.3125 + 1.959964 * error)
    assert linucb["explored_share"] == 0.25
    assert linucb["mean_latency_us"] == 250
    # Only decision e was recorded within the last 24 h of the log; an external one is never young.
    assert linucb["young_share"] == 0.25
    assert rows["obd"]["young_share"] == 0
    assert rows["greedy"]["variance"] is None
    assert rows["greedy"]["ci_low"] is None


async def test_rewards_join_each_decision_with_what_came_of_it(shown: Shown) -> None:
    two_days(shown.log)
    rows = {row["decision_id"]: row for row in await shown.rows("rewards")}
    assert (rows["a"]["reward"], rows["a"]["reward_so_far"], rows["a"]["reactions"]) == (1.5, 1.5, 2)
    assert (rows["a"]["verdict"], rows["a"]["outcome"], rows["a"]["reacted"]) == ("helpful", "done", True)
    assert (rows["c"]["reward"], rows["c"]["reward_so_far"], rows["c"]["reacted"]) == (None, 0, False)
    assert {name: row["young"] for name, row in rows.items()} == {
        "a": False, "b": False, "c": False, "g": False, "e": True, "x": False,
    }  # fmt: skip
    assert rows["e"]["day"] == DAY_2
    moment = datetime(2026, 3, 2, 9, tzinfo=UTC).replace(tzinfo=None)
    assert rows["e"]["occurred_at"] == moment


async def test_candidates_are_one_row_each(shown: Shown) -> None:
    shown.log.scored(
        decision_id="a", tip="rest", candidates=["walk", "rest", "call"],
        mean=[0.1, 0.2, 0.3], bonus=[1.0, 2.0, 3.0], score=[1.1, 2.2, 3.3],
    )  # fmt: skip
    shown.log.scored("eve", "x", external=True)
    names = ("decision_id", "user_id", "position", "tip_id", "mean", "bonus", "score", "chosen")
    assert [tuple(row[name] for name in names) for row in await shown.rows("candidates")] == [
        ("x", "eve", 1, "walk", None, None, None, True),
        ("x", "eve", 2, "rest", None, None, None, False),
        ("a", "ann", 1, "walk", 0.1, 1.0, 1.1, False),
        ("a", "ann", 2, "rest", 0.2, 2.0, 2.2, True),
        ("a", "ann", 3, "call", 0.3, 3.0, 3.3, False),
    ]


async def test_data_quality_counts_imputed_values_and_stale_tokens_of_our_own_decisions(shown: Shown) -> None:
    two_days(shown.log)
    names = ("decisions", "external_decisions", "values", "imputed", "stale_decisions", "reacted")
    rows = {row["day"]: row for row in await shown.rows("data_quality_daily")}
    assert {day: tuple(row[name] for name in names) for day, row in rows.items()} == {
        DAY_1: (4, 0, 64, 2, 1, 3),
        DAY_2: (2, 1, 16, 1, 0, 1),
    }
    assert rows[DAY_1]["missing_rate"] == 2 / 64
    assert rows[DAY_2]["missing_rate"] == 1 / 16
    assert (rows[DAY_1]["stale_rate"], rows[DAY_2]["stale_rate"]) == (0.25, 0)
    assert (rows[DAY_1]["feedback_completeness"], rows[DAY_2]["feedback_completeness"]) == (0.75, 0.5)
    assert rows[DAY_1]["expected_source_days"] == 0
    assert rows[DAY_1]["source_completeness"] is None


async def test_a_source_is_expected_from_a_signal_until_its_token_expires(shown: Shown) -> None:
    log = shown.log
    start = log.now_us
    log.signal({"steps": 1.0}, source="phone", token_expires_us=start + 2 * DAY_US)
    log.signal({"steps": 2.0}, source="phone", token_expires_us=start + 2 * DAY_US)
    log.signal({"hours": 7.0}, source="sleep")
    log.signal({"steps": 1.0}, "bob", source="phone", token_expires_us=start - DAY_US)
    log.wait(days=1)
    log.signal({"steps": 3.0}, source="phone", token_expires_us=start + 2 * DAY_US)
    log.wait(days=4)
    log.signal({"steps": 4.0}, source="phone", token_expires_us=start + 30 * DAY_US)
    rows = await shown.rows("data_quality_daily")
    names = ("expected_source_days", "reported_source_days", "source_completeness")
    # Ann's phone on March 1-3 and, with a new token, 6; her sleep source, without an expiry, on all six days. Bob's
    # token had expired when he reported.
    assert {row["day"].day: tuple(row[name] for name in names) for row in rows} == {
        1: (2, 2, 1.0), 2: (2, 1, 0.5), 3: (2, 0, 0.0), 4: (1, 0, 0.0), 5: (1, 0, 0.0), 6: (2, 1, 0.5),
    }  # fmt: skip
    assert all(row["decisions"] == 0 and row["missing_rate"] is None for row in rows)


async def test_expected_days_end_with_the_log_and_overlap_only_once(shown: Shown) -> None:
    log = shown.log
    for _ in range(4):
        log.signal({"steps": 1.0}, token_expires_us=log.now_us + 400 * DAY_US)
        log.wait(days=1)
    rows = await shown.rows("data_quality_daily")
    assert [(row["expected_source_days"], row["reported_source_days"]) for row in rows] == [(1, 1)] * 4


async def test_the_day_that_begins_as_a_token_ends_is_not_expected(shown: Shown) -> None:
    log = shown.log
    midnight = log.now_us - log.now_us % DAY_US
    log.signal({"steps": 1.0}, token_expires_us=midnight + 2 * DAY_US)
    log.signal({"steps": 1.0}, "bob", token_expires_us=midnight + 2 * DAY_US + 1)
    log.wait(days=4)
    log.scored()
    rows = await shown.rows("data_quality_daily")
    assert {row["day"].day: row["expected_source_days"] for row in rows} == {1: 2, 2: 2, 3: 1, 5: 0}


async def test_an_event_dated_ahead_lets_nobody_wait_for_tomorrow_today(shown: Shown) -> None:
    log = shown.log
    for user in ("ann", "bob"):
        log.signal({"steps": 1.0}, user, source="phone")
    tomorrow = log.now_us + DAY_US
    log.signal({"steps": 1.0}, "eve", observed_us=tomorrow)
    names = ("expected_source_days", "reported_source_days")
    today = [(row["day"].day, *(row[name] for name in names)) for row in await shown.rows("data_quality_daily")]
    assert today == [(1, 2, 2)]
    log.wait(days=1)
    log.scored("ann", "d")
    rows = await shown.rows("data_quality_daily")
    assert [(row["day"].day, *(row[name] for name in names)) for row in rows] == [(2, 3, 1), (1, 2, 2)]


async def test_days_are_utc_days_of_when_it_happened(shown: Shown) -> None:
    log = shown.log
    midnight = parse_time("2026-03-01T00:00:00Z")
    log.scored(decision_id="late", occurred_at=midnight - 1)
    log.scored(decision_id="early", occurred_at=midnight)
    rows = await shown.rows("reward_daily")
    assert [row["day"] for row in rows] == [DAY_1, DAY_1 - timedelta(days=1)]


def starts(log: Log, experiment_id: str, *weights: float, salt: str = "s", holdback: float = 0.0) -> None:
    arms = [Arm(policy=f"policy-{place}", weight=weight) for place, weight in enumerate(weights)]
    log.admin(
        ExperimentStarted(experiment_id=experiment_id, name=experiment_id, salt=salt, arms=arms, holdback=holdback)
    )


async def test_sql_assigns_people_to_the_arms_that_python_does(shown: Shown) -> None:
    log = shown.log
    people = [f"person {number}" for number in range(150)] + ["ä/b", "日本", "'", "\\", "x" * 100]
    plans = {"a": ((1.0, 1.0), "s", 0.0), "b": ((0.1, 0.2, 0.7), "Ö'", 0.25), "c": ((3.0,), "s", 0.5)}
    for experiment_id, (weights, salt, holdback) in plans.items():
        starts(log, experiment_id, *weights, salt=salt, holdback=holdback)
    for person in people:
        log.scored(person)
    await folded(stream_of(log), shown.sink)
    columns, rows = shown.sink.view("experiment_people", 1000)
    found = {row[:2]: row[columns.index("arm")] for row in rows}
    for experiment_id, (weights, salt, holdback) in plans.items():
        for person in people:
            place = arm_of(person, salt, weights, holdback)
            expected = None if place is None else f"policy-{place}"
            assert found.pop((experiment_id, person)) == expected
    assert not found


def in_arm(place: int | None, count: int, holdback: float = 0.0) -> list[str]:
    """The first people of an arm of an even split with the salt `s`."""
    names = (f"p{number}" for number in range(1000))
    found = [name for name in names if arm_of(name, "s", (1, 1), holdback) == place]
    return found[:count]


async def test_experiments_compare_the_people_assigned_to_their_arms_between_start_and_stop(shown: Shown) -> None:
    log = shown.log
    (ann, bob), (eve,), (held,) = in_arm(0, 2, 0.3), in_arm(1, 1, 0.3), in_arm(None, 1, 0.3)
    log.scored(ann, "before")
    log.feedback("helpful", ann, "before")
    log.wait(hours=1)
    starts(log, "one", 1.0, 1.0, holdback=0.3)
    log.scored(ann, "a", policy="policy-0")
    log.scored(ann, "b", policy="other")
    log.scored(bob, "c", policy="policy-0")
    log.scored(held, "d", policy="policy-0")
    log.scored(bob, "theirs", policy="policy-0", external=True)
    log.feedback("done", ann, "a")
    log.wait(hours=1)
    log.admin(ExperimentStopped(experiment_id="one"))
    log.wait(hours=1)
    log.scored(eve, "after", policy="policy-1")
    names = ("policy", "people", "decisions", "reacted", "reward_sum", "reward_per_decision", "reward_per_reaction")
    assert [tuple(row[name] for name in names) for row in await shown.rows("experiment_compare")] == [
        ("policy-0", 2, 3, 1, 1.0, pytest.approx(1 / 3), 1.0),
        ("policy-1", 0, 0, 0, 0.0, None, None),
    ]
    names = ("user_id", "arm", "received", "decisions", "reward_per_decision", "decisions_before", "reward_before")
    people = {row["user_id"]: tuple(row[name] for name in names) for row in await shown.rows("experiment_people")}
    assert people == {
        ann: (ann, "policy-0", "policy-0", 2, 0.5, 1, 0.5),
        bob: (bob, "policy-0", "policy-0", 1, 0.0, 0, 0.0),
        held: (held, None, "policy-0", 1, 0.0, 0, 0.0),
    }


async def test_every_view_answers_on_an_empty_log_and_says_what_it_is(shown: Shown) -> None:
    for view in VIEWS:
        assert await shown.rows(view.name) == []
    comments = shown.sink.cursor().execute("SELECT view_name, comment FROM duckdb_views() WHERE NOT internal")
    assert {view.name: view.comment for view in VIEWS} == dict(comments.fetchall())


async def test_views_and_comments_of_another_release_give_way_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.duckdb"
    with monkeypatch.context() as release:
        # Another release is another process, which copies none of this one's files.
        release.setattr("projections.sinks.duckdb._new_files", itertools.count())
        release.setattr(duckdb_schema, "VIEWS", (replace(CANDIDATES, sql="SELECT 1 AS seq"),))
        release.setattr(duckdb_schema, "COLUMNS", {"title": "another meaning"})
        sink = DuckdbSink(path)
        await folded(stream_of(Log()), sink)
        theirs = sink.relations()
        sink.close()
    new = DuckdbSink(tmp_path / "new.duckdb")
    ours = new.relations()
    new.close()
    assert theirs != ours
    for _ in range(2):
        sink = DuckdbSink(path)
        assert sink.relations() == ours
        sink.close()


def test_an_unknown_view_is_refused_by_name(shown: Shown) -> None:
    with pytest.raises(UnknownView, match="there are candidates, rewards"):
        shown.sink.view("tip_scores; DROP TABLE tips", 1)
