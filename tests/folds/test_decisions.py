"""Rows of decisions and shadow decisions: every logged field, and the ring of the last hundred."""

import orjson
import pytest

from contracts.events.person import InlineCandidate, ShadowScored
from tests.folds.log import Log, X


def test_a_decision_s_row_says_what_was_logged(log: Log) -> None:
    log.wait(seconds=10)
    before = log.now_us - 5_000_000
    log.scored(
        "ann", "d1", tip="rest", candidates=["walk", "rest"], mean=[0.25, 0.5], bonus=[1.0, 2.0], score=[1.25, 2.5],
        policy="lints", policy_version=3, params={"b": 1.0, "a": 2}, model_version="m1", kernel="numba",
        state_version=7, catalog_seq=5, model_seq=6, context={"now": "x", "signals": {"b": 1, "a": None}},
        propensity=0.75, explored=True, features={"two": "text", "one": 1}, missing=["one"], stale_sources=["calendar"],
        latency_us=1234, occurred_at=before, event_id="e1",
    )  # fmt: skip
    assert log.row("tip_scores", 1) == {
        "seq": 1, "decision_id": "d1", "user_id": "ann", "tip_id": "rest", "policy": "lints", "policy_version": 3,
        "params": '{"a":2.0,"b":1.0}', "feature_set": "wellbeing.v1", "model_version": "m1", "kernel": "numba",
        "state_version": 7, "catalog_seq": 5, "model_seq": 6,
        "context": '{"now":"x","signals":{"a":null,"b":1}}', "features": '{"one":1.0,"two":"text"}',
        "x_digest": "0" * 64, "propensity": 0.75, "explored": True, "missing": ["one"],
        "stale_sources": ["calendar"], "imputed": 1, "feature_count": 2, "candidate_count": 2, "mean": 0.5,
        "bonus": 2.0, "score": 2.5, "latency_us": 1234, "occurred_at": before, "recorded_at": log.now_us,
        "external": False, "event_id": "e1", "verdict": None, "outcome": None, "reward": None, "reacted_at": None,
        "reactions": 0,
    }  # fmt: skip
    assert log.row("candidate_lists", 1) == {
        "seq": 1, "decision_id": "d1", "user_id": "ann", "tip_ids": ["walk", "rest"], "means": [0.25, 0.5],
        "bonuses": [1.0, 2.0], "scores": [1.25, 2.5], "x": list(X),
        "described": None,
    }  # fmt: skip
    assert log.row("feature_history", "ann", 0) == {
        "user_id": "ann", "slot": 0, "seq": 1, "decision_id": "d1", "tip_id": "rest", "feature_set": "wellbeing.v1",
        "features": '{"one":1.0,"two":"text"}', "missing": ["one"], "stale_sources": ["calendar"],
        "occurred_at": before,
    }  # fmt: skip


def test_scores_of_candidates_that_the_caller_described_stand_beside_the_others(log: Log) -> None:
    own = InlineCandidate(tip_id="own", features={"minutes": 5, "category": "rest"})
    log.scored(tip="own", candidates=["walk", own], score=[1.0, 2.0])  # type: ignore[list-item]
    assert log.row("candidate_lists", 1)["tip_ids"] == ["walk", "own"]
    assert log.row("candidate_lists", 1)["described"] == '{"own":{"category":"rest","minutes":5.0}}'
    assert log.row("tip_scores", 1)["score"] == 2.0


def test_whole_numbers_become_floats_where_floats_are_kept(log: Log) -> None:
    log.scored(decision_id="d1", x=[1] * 16, score=[1, 2], features={"f": 1})
    assert [type(value) for value in log.row("candidate_lists", 1)["scores"]] == [float, float]
    assert log.row("tip_scores", 1)["features"] == '{"f":1.0}'


@pytest.mark.parametrize("decisions", [1, 99, 100, 101, 250])
def test_the_feature_history_is_exactly_the_last_100(log: Log, decisions: int) -> None:
    for number in range(decisions):
        log.scored(decision_id=f"d{number}")
        if number % 3 == 0:
            log.scored("bob")
    kept = [row for row in log.rows("feature_history") if row["user_id"] == "ann"]
    newest = sorted(kept, key=lambda row: row["seq"], reverse=True)
    assert [row["decision_id"] for row in newest] == [
        f"d{number}" for number in range(decisions - 1, max(-1, decisions - 101), -1)
    ]
    assert {row["slot"] for row in kept} == set(range(min(decisions, 100)))


def test_a_refused_or_repeated_decision_takes_no_place_in_the_history(log: Log) -> None:
    log.scored(decision_id="d1")
    log.again(1)
    log.scored(decision_id="d1", event_id="other")
    log.scored(decision_id="d2", x=[1.0])
    assert log.column("feature_history", "decision_id") == ["d1"]


def test_a_shadow_decision_has_a_row_of_its_own_and_touches_nobody(log: Log) -> None:
    log.scored(decision_id="d1")
    learned = dict(log.state.learning.people)
    log.event(
        ShadowScored(
            decision_id="d1", user_id="ann", policy="lints", policy_version=2, model_version="prior/1",
            state_version=0, tip_id="rest", score=0.5, propensity=0.25, agreed=False, chosen_propensity=0.125,
            latency_us=77, occurred_at=log.now_us,
        ),
        event_id="s1",
    )  # fmt: skip
    assert log.rows("shadow_scores") == [
        {
            "seq": 2, "event_id": "s1", "decision_id": "d1", "user_id": "ann", "policy": "lints", "policy_version": 2,
            "model_version": "prior/1", "state_version": 0, "tip_id": "rest", "score": 0.5, "propensity": 0.25,
            "chosen_propensity": 0.125, "agreed": False, "latency_us": 77, "occurred_at": log.now_us,
            "recorded_at": log.now_us,
        }
    ]  # fmt: skip
    assert log.state.learning.people == learned
    assert log.row("users", "ann")["decisions"] == 1
    assert len(log.rows("tip_scores")) == 1


def test_a_context_may_hold_whatever_json_holds(log: Log) -> None:
    context = {"é": ["\x00", 1e300, -0.0, 2**63, {"deep": [[[]]]}], "b": True, "": None}
    log.scored(context=context)
    assert orjson.loads(log.row("tip_scores", 1)["context"]) == context
