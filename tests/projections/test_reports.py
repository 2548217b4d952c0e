"""Reports on small logs, against numbers worked out by hand; and what a report refuses to be asked."""

import math
from datetime import date, datetime
from typing import Any

import pytest

from contracts.events.admin import Arm, BanditReset, ExperimentStarted, ExperimentStopped
from contracts.events.catalog import TipPublished
from contracts.times import DAY_US
from ml.experiments.assignment import arm_of
from projections.folds.tables import BANDIT_STATS
from projections.reports.experiments import COUNTS, PRODUCTS, STEPS
from projections.reports.learning import POINTS
from projections.reports.registry import REPORTS, report_of
from projections.reports.report import BadParameter, UnknownReport
from tests.projections.days import two_days
from tests.projections.reported import Reported

DAY_1, DAY_2 = date(2026, 3, 1), date(2026, 3, 2)


@pytest.mark.parametrize("name", REPORTS)
async def test_every_report_answers_on_an_empty_log_with_and_without_its_parameters(
    reported: Reported, name: str
) -> None:
    values: dict[Any, Any] = {
        str: "ann", int: 7, float: 0.5, bool: True, datetime: "2026-03-01T00:00:00Z", date: "2026-03-01",
        list[str]: ["ann"],
    }  # fmt: skip
    empty = await reported.rows(name)
    given = await reported.rows(name, **{key: values[kind] for key, kind in REPORTS[name].parameters.items()})
    assert [len(rows) <= 1 for rows in (empty, given)] == [True, True]
    assert REPORTS[name].comment.endswith(".")


async def test_daily_reactions_counts_what_stands_now_within_the_window(reported: Reported) -> None:
    log = reported.log
    for number, action in enumerate(("helpful", "not_helpful", "done", "snoozed", "dismissed")):
        log.scored(decision_id=f"a{number}")
        log.feedback(action, decision_id=f"a{number}")  # type: ignore[arg-type]
    log.feedback("helpful", decision_id="a1")
    log.scored(decision_id="ignored")
    log.wait(days=1)
    log.scored("eve", "x", external=True)
    log.feedback("helpful", "eve", "x")
    first = {
        "day": date(2026, 3, 1), "decisions": 6, "reacted": 5, "helpful": 2, "not_helpful": 0, "done": 1, "snoozed": 1,
        "dismissed": 1,
    }  # fmt: skip
    second = {**dict.fromkeys(first, 0), "day": date(2026, 3, 2), "decisions": 1, "reacted": 1, "helpful": 1}
    assert await reported.rows("daily_reactions") == [first, second]
    assert await reported.rows("daily_reactions", since="2026-03-02T00:00:00Z") == [second]
    # The second day begins at 01:00 in a zone one hour ahead.
    assert await reported.rows("daily_reactions", until="2026-03-02T01:00:00+01:00") == [first]
    assert await reported.rows("daily_reactions", external=True) == [second]
    assert await reported.rows("daily_reactions", external=False) == [first]


async def test_daily_rewards_keep_imported_decisions_apart(reported: Reported) -> None:
    two_days(reported.log)
    rows = await reported.rows("daily_rewards")
    names = ("day", "policy", "external", "decisions", "reacted", "reward_sum")
    assert [tuple(row[name] for name in names) for row in rows] == [
        (DAY_2, "linucb", False, 1, 0, 0.0), (DAY_2, "obd", True, 1, 1, 0.5),
        (DAY_1, "greedy", False, 1, 1, 0.5), (DAY_1, "linucb", False, 3, 2, 1.25),
    ]  # fmt: skip
    ours = await reported.rows("daily_rewards", external=False, since="2026-03-02T00:00:00Z")
    assert [row["policy"] for row in ours] == ["linucb"]
    # Rewards 1.5, -0.25 and 0: mean 5/12.
    linucb = rows[3]
    error = math.sqrt(((1.5 - 5 / 12) ** 2 + (0.25 + 5 / 12) ** 2 + (5 / 12) ** 2) / 2 / 3)
    assert linucb["reward_per_decision"] == pytest.approx(5 / 12)
    assert linucb["reward_per_reaction"] == pytest.approx(0.625)
    assert linucb["stderr"] == pytest.approx(error)
    assert (linucb["ci_low"], linucb["ci_high"]) == pytest.approx(
        (5 / 12 - 1.959964 * error, 5 / 12 + 1.959964 * error)
    )


async def test_policies_are_compared_over_the_window_only(reported: Reported) -> None:
    two_days(reported.log)
    names = ("policy", "external", "decisions", "reacted", "young_share", "explored_share", "mean_latency_us")
    rows = await reported.rows("policies_compared", until="2026-03-02T00:00:00Z")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("greedy", False, 1, 1, 0.0, 0.0, None), ("linucb", False, 3, 2, 0.0, 1 / 3, 200.0),
    ]  # fmt: skip
    rows = await reported.rows("policies_compared")
    assert [(row["policy"], row["decisions"], row["young_share"]) for row in rows] == [
        ("greedy", 1, 0.0), ("linucb", 4, 0.25), ("obd", 1, 0.0),
    ]  # fmt: skip


async def test_rewards_stand_by_tip_and_category_those_of_unknown_tips_too(reported: Reported) -> None:
    log = reported.log
    log.admin(TipPublished(tip_id="walk", title="Walk", category="movement", effort=2, minutes=10))
    log.admin(TipPublished(tip_id="run", title="Run", category="movement", effort=4, minutes=30))
    for number, tip in enumerate(("walk", "walk", "run", "gone")):
        log.scored(decision_id=f"d{number}", tip=tip, candidates=["walk", "run", "gone"])
    log.feedback("done", decision_id="d0")
    log.feedback("dismissed", decision_id="d2")
    tips = await reported.rows("rewards_by_tip")
    names = ("tip_id", "title", "category", "decisions", "reacted", "reward_per_decision")
    assert [tuple(row[name] for name in names) for row in tips] == [
        ("walk", "Walk", "movement", 2, 1, 0.5), ("gone", None, None, 1, 0, 0.0),
        ("run", "Run", "movement", 1, 1, -0.25),
    ]  # fmt: skip
    categories = await reported.rows("rewards_by_category")
    assert [(row["category"], row["decisions"], row["reward_sum"]) for row in categories] == [
        ("movement", 3, 0.75), (None, 1, 0.0),
    ]  # fmt: skip


async def test_pulls_since_the_last_reset_are_those_that_the_fold_learned(reported: Reported) -> None:
    log = reported.log
    for number in range(5):
        log.scored("ann", f"a{number}")
        log.feedback("helpful", "ann", f"a{number}")
    log.scored("ann", "open")
    log.feedback("helpful", "ann", "waits")
    log.admin(BanditReset(user_id="ann"))
    log.scored("ann", "waits")
    log.feedback("done", "ann", "open")
    for number in range(2):
        log.scored("ann", f"b{number}")
        log.feedback("helpful", "ann", f"b{number}")
    log.scored("bob", "c")
    log.feedback("helpful", "bob", "c")
    log.feedback("not_helpful", "bob", "c")
    log.scored("cid", "d")
    log.scored("eve", "x", external=True)
    log.feedback("helpful", "eve", "x")
    folded_pulls = {row[0]: row[BANDIT_STATS.position("pulls")] for row in log.tables["bandit_stats"].values()}
    assert folded_pulls == {"ann": 2, "bob": 1}
    (figures,) = await reported.rows("population")
    assert figures == {
        "people": 3, "pulls": 3, "without_pulls": 1, "median_pulls": 1.0, "p90_pulls": 2, "most_pulls": 2,
        "ever_reset": 1,
    }  # fmt: skip
    assert await reported.rows("pulls_distribution") == [
        {"from_pulls": pulls, "to_pulls": pulls, "people": 1} for pulls in range(3)
    ]


async def test_many_pulls_are_told_in_steps_of_equal_width_without_a_gap(reported: Reported) -> None:
    for number in range(45):
        reported.log.scored(decision_id=f"d{number}")
        reported.log.feedback("helpful", decision_id=f"d{number}")
    reported.log.scored("bob")
    assert await reported.rows("pulls_distribution") == [
        {"from_pulls": first, "to_pulls": first + 2, "people": int(first in (0, 45))} for first in range(0, 46, 3)
    ]


async def test_a_persons_curve_adds_rewards_up_and_keeps_its_last_point(reported: Reported) -> None:
    two_days(reported.log)
    names = ("n", "policy", "reward", "cumulative_reward", "mean_so_far")
    rows = await reported.rows("person_curve", user_id="ann")
    assert [tuple(row[name] for name in names) for row in rows] == [
        (1, "linucb", 1.5, 1.5, 1.5), (2, "linucb", -0.25, 1.25, 0.625),
    ]  # fmt: skip
    assert [row["cumulative_reward"] for row in await reported.rows("person_curve", user_id="bob")] == [0.5]
    assert await reported.rows("person_curve", user_id="nobody") == []


async def test_a_long_curve_is_thinned(reported: Reported) -> None:
    for number in range(2 * POINTS + 1):
        reported.log.scored(decision_id=f"d{number}")
        reported.log.feedback("helpful", decision_id=f"d{number}")
    rows = await reported.rows("person_curve", user_id="ann")
    assert len(rows) == POINTS + 1
    assert (rows[0]["n"], rows[-1]["n"], rows[-1]["cumulative_reward"]) == (2, 2 * POINTS + 1, POINTS + 0.5)


async def test_the_learning_curve_is_of_everybodys_nth_reaction(reported: Reported) -> None:
    log = reported.log
    for user, actions in {"ann": ("dismissed", "helpful", "done"), "bob": ("helpful", "done")}.items():
        for number, action in enumerate(actions):
            log.scored(user, f"{user}{number}", policy="greedy" if user == "bob" and number else "linucb")
            log.feedback(action, user, f"{user}{number}")  # type: ignore[arg-type]
        log.scored(user, f"{user} unanswered")
    names = ("policy", "from_reaction", "to_reaction", "reacted", "reward_per_reaction")
    assert [tuple(row[name] for name in names) for row in await reported.rows("learning_curve")] == [
        ("greedy", 2, 2, 1, 1.0), ("linucb", 1, 1, 2, 0.125), ("linucb", 2, 2, 1, 0.5), ("linucb", 3, 3, 1, 1.0),
    ]  # fmt: skip


async def test_a_random_choice_is_estimated_from_propensities_of_settled_decisions(reported: Reported) -> None:
    log = reported.log
    four = ["a", "b", "c", "d"]
    log.scored(decision_id="likely", tip="a", candidates=four, propensity=0.5)
    log.scored(decision_id="unlikely", tip="b", candidates=four, propensity=0.125)
    log.feedback("done", decision_id="likely")
    log.feedback("helpful", decision_id="unlikely")
    log.wait(days=2)
    log.scored(decision_id="young", tip="a", candidates=four, propensity=0.5)
    (row,) = await reported.rows("random_estimate")
    # Weights 1/4 / 1/2 and 1/4 / 1/8.
    estimate = (0.5 * 1.0 + 2.0 * 0.5) / 2.5
    assert (row["decisions"], row["reward_per_decision"]) == (2, 0.75)
    assert row["estimate"] == pytest.approx(estimate)
    assert row["stderr"] == pytest.approx(math.hypot(0.5 * (1.0 - estimate), 2.0 * (0.5 - estimate)) / 2.5)
    assert row["effective_decisions"] == pytest.approx(2.5**2 / (0.5**2 + 2.0**2))


async def test_missing_features_and_stale_sources_are_shares_of_our_own_decisions(reported: Reported) -> None:
    two_days(reported.log)
    names = ("day", "feature", "imputed", "decisions", "missing_rate")
    assert [tuple(row[name] for name in names) for row in await reported.rows("missing_by_feature")] == [
        (DAY_1, "f1", 1, 4, 0.25), (DAY_1, "f2", 1, 4, 0.25), (DAY_2, "f1", 1, 1, 1.0), (DAY_2, "f2", 0, 1, 0.0),
    ]  # fmt: skip
    names = ("day", "source", "stale", "decisions", "stale_rate")
    assert [tuple(row[name] for name in names) for row in await reported.rows("stale_by_source")] == [
        (DAY_1, "sleep", 1, 4, 0.25), (DAY_2, "sleep", 0, 1, 0.0),
    ]  # fmt: skip
    later = {"since": "2026-03-02T00:00:00Z"}
    assert [row["feature"] for row in await reported.rows("missing_by_feature", **later)] == ["f1"]
    assert await reported.rows("stale_by_source", **later) == []


async def test_a_windows_quality_is_the_views_on_its_days(reported: Reported) -> None:
    log = reported.log
    log.signal({"steps": 1.0}, source="phone", token_expires_us=log.now_us + 4 * DAY_US)
    log.signal({"hours": 7.0}, source="sleep")
    log.wait(days=1)
    log.signal({"steps": 1.0}, source="phone", token_expires_us=log.now_us + DAY_US)
    two_days(log)
    log.wait(days=3)
    log.signal({"mood": 1.0}, source="mood")
    every = await reported.rows("quality_daily")
    counted = {row["day"].day: (row["expected_source_days"], row["reported_source_days"]) for row in every}
    # The phone is expected on March 1-5, sleep from March 1 to the log's end, mood on its last day.
    assert counted == {1: (2, 2), 2: (2, 1), 3: (2, 0), 4: (2, 0), 5: (2, 0), 6: (2, 1)}
    for first, last in ((2, 4), (3, 3), (5, 6), (6, 6), (1, 6)):
        window = {"since": f"2026-03-0{first}T00:00:00Z", "until": f"2026-03-0{last + 1}T00:00:00Z"}
        assert await reported.rows("quality_daily", **window) == [
            row for row in every if first <= row["day"].day <= last
        ]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"luck": 1}, "has no parameter 'luck'; it has since, until"),
        ({"since": "yesterday"}, "parameter since: Invalid RFC3339"),
        ({"since": "2026-03-02T00:00:00"}, "parameter since: needs a UTC offset"),
        ({"until": 5}, "parameter until: Expected `datetime`"),
        ({"external": "1=1"}, "parameter external: Expected `bool`, got `str`"),
    ],
)
def test_a_parameter_that_a_report_does_not_take_is_refused_by_name(given: dict[str, Any], why: str) -> None:
    with pytest.raises(BadParameter, match=why):
        report_of("daily_reactions").bind(given)


def test_an_unknown_report_is_refused_by_name() -> None:
    with pytest.raises(UnknownReport, match="there are daily_reactions"):
        report_of("daily_reactions) union (select 1")


async def test_an_experiments_steps_add_up_its_people_as_they_stood_at_each_moment(reported: Reported) -> None:
    log = reported.log
    names = [f"p{number}" for number in range(100)]
    arms: dict[int | None, list[str]] = {}
    for name in names:
        arms.setdefault(arm_of(name, "s", (1, 1), 0.3), []).append(name)
    ann, bob, held = arms[0][0], arms[1][0], arms[None][0]
    log.scored(ann, "earlier")
    log.feedback("helpful", ann, "earlier")
    log.wait(hours=1)
    plan = [Arm(policy="linucb", weight=1), Arm(policy="greedy", weight=1)]
    log.admin(ExperimentStarted(experiment_id="x", name="x", salt="s", arms=plan, holdback=0.3))
    log.scored(ann, "a1")
    log.feedback("done", ann, "a1")
    log.scored(held, "h1")
    log.scored(bob, "b1", policy="linucb")
    log.wait(hours=20)
    log.scored(ann, "a2")
    log.feedback("dismissed", ann, "a2")
    log.scored(ann, "a3")
    log.wait(hours=20)
    log.admin(ExperimentStopped(experiment_id="x"))
    log.wait(hours=20)
    log.scored(bob, "after", policy="greedy")
    rows = await reported.rows("experiment_steps", experiment_id="x")
    assert [len(rows), rows[0]["arm"], rows[STEPS]["arm"], rows[-1]["arm"]] == [3 * STEPS, None, "linucb", "greedy"]
    assert [(row["place"], row["moment"]) for row in rows] == sorted((row["place"], row["moment"]) for row in rows)

    def at(place: int, step: int) -> tuple[float, ...]:
        """Counts of people and of strays, and what is counted of people, at a step of an arm."""
        row = rows[place * STEPS + step - 1]
        assert row["decisions_x_decisions"] >= row["decisions"] ** 2 / max(row["people"], 1)
        return tuple(row[name] for name in ("people", "received", "strays", *COUNTS))

    assert at(0, 1) == at(0, STEPS) == (1, 1, 0, 1, 0, 0, 0)
    assert at(1, 1) == at(1, 20) == (1, 2, 0, 1, 1, 1, 0.5)
    assert at(1, 21) == at(1, STEPS) == (1, 2, 0, 3, 0.75, 1, 0.5)
    assert at(2, 1) == at(2, STEPS) == (1, 0, 1, 1, 0, 0, 0)
    counted = {"decisions": 3, "reward": 0.75, "decisions_before": 1, "reward_before": 0.5}
    assert {name: rows[2 * STEPS - 1][name] for name in PRODUCTS} == {
        name: counted[one] * counted[other] for name, (one, other) in PRODUCTS.items()
    }
    assert await reported.rows("experiment_steps", experiment_id="unknown") == []
