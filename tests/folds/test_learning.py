"""What pulls, corrections, resets and imports do to the sums, to the bit."""

import numpy as np
import pytest

from contracts.feature_sets import CURRENT
from projections.folds.learning import Sums, stats_rows
from tests.folds.log import START_US, Log, X

OTHER = tuple(0.1 * number for number in range(16))


def sums(log: Log, user: str = "ann") -> Sums:
    return log.state.learning.people[user].sums[CURRENT]


def test_done_and_helpful_add_up(log: Log) -> None:
    log.scored(decision_id="d1")
    log.feedback("done")
    log.feedback("helpful")
    x = np.array(X)
    assert log.learned() == (2, 1, 1.5)
    assert np.array_equal(sums(log).s, np.outer(x, x))
    assert np.array_equal(sums(log).c, 1.0 * x + 0.5 * x)


def test_snoozed_first_is_a_pull_with_reward_0(log: Log) -> None:
    log.scored()
    log.feedback("snoozed")
    assert log.learned() == (1, 1, 0.0)
    assert np.array_equal(sums(log).s, np.outer(X, X))
    assert not sums(log).c.any()
    row = log.row("feedback", 2)
    assert (row["effect"], row["reward_delta"]) == ("pull", 0.0)
    assert log.row("tip_scores", 1)["reward"] == 0.0


def test_a_correction_leaves_s_alone(log: Log) -> None:
    log.scored(decision_id="d1")
    log.feedback("dismissed")
    before = sums(log).s.copy()
    log.feedback("done")
    assert np.array_equal(sums(log).s, before)
    assert np.array_equal(sums(log).c, -0.25 * np.array(X) + 1.25 * np.array(X))


def test_each_pull_is_added_in_the_order_of_the_stream(log: Log) -> None:
    log.scored(decision_id="d1", x=X)
    log.scored(decision_id="d2", x=OTHER)
    log.feedback("helpful", decision_id="d2")
    log.feedback("done", decision_id="d1")
    expected = np.zeros((16, 16))
    expected += np.outer(OTHER, OTHER)
    expected += np.outer(X, X)
    assert sums(log).s.tobytes() == expected.tobytes()
    assert sums(log).c.tobytes() == (0.5 * np.array(OTHER) + 1.0 * np.array(X)).tobytes()
    assert log.learned() == (2, 2, 1.5)


def test_the_row_holds_the_bytes_of_the_sums(log: Log) -> None:
    log.scored()
    log.feedback("done")
    row = log.row("bandit_stats", "ann", CURRENT, 1.0)
    assert (row["pulls"], row["cumulative_reward"], row["state_version"], row["reset_seq"]) == (1, 1.0, 1, 0)
    assert np.array_equal(np.frombuffer(row["s"]).reshape(16, 16), np.outer(X, X))
    assert np.array_equal(np.frombuffer(row["c"]), np.array(X))
    person = log.state.learning.people["ann"]
    assert list(stats_rows("ann", person)) == [tuple(row.values())]


def test_a_decision_without_a_reaction_is_not_learned(log: Log) -> None:
    log.scored()
    log.wait(days=2)
    log.signal({"steps": 1.0})
    assert log.state.learning.people == {}
    assert log.rows("bandit_stats") == []
    assert log.row("tip_scores", 1)["reward"] is None


def test_one_person_s_feedback_leaves_everybody_else_s_sums(log: Log) -> None:
    log.scored("ann")
    log.scored("bob")
    log.feedback("done", "ann")
    assert log.learned("bob") == (0, 0, 0.0)
    assert set(log.state.learning.people) == {"ann"}


def test_an_external_decision_counts_in_tables_and_is_never_learned(log: Log) -> None:
    log.scored(decision_id="d1", external=True, feature_set="obd.v1", policy="obd_bts", propensity=0.02)
    log.feedback("helpful", decision_id="d1")
    log.feedback("done", decision_id="d1")
    row = log.row("tip_scores", 1)
    assert (row["external"], row["reward"], row["propensity"], row["reactions"]) == (True, 1.5, 0.02, 2)
    assert (row["mean"], row["bonus"], row["score"], row["x_digest"]) == (None, None, None, None)
    assert log.column("feedback", "status") == ["external", "external"]
    assert log.column("feedback", "effect") == ["none", "none"]
    assert log.column("feedback", "reward_delta") == [0.5, 1.0]
    assert log.state.learning.people == {}
    assert log.rows("bandit_stats") == []
    assert log.rows("feature_history") == []
    user = log.row("users", "ann")
    assert (user["decisions"], user["feedback"]) == (1, 2)


def test_an_external_decision_of_our_own_feature_set_is_not_learned_either(log: Log) -> None:
    log.scored(decision_id="d1", external=True, x=list(X))
    log.feedback("done", decision_id="d1")
    assert log.learned() == (0, 0, 0.0)


def test_a_reset_forgets_and_counts_as_a_version(log: Log) -> None:
    log.scored()
    log.feedback("done")
    log.reset()
    assert log.learned() == (2, 0, 0.0)
    row = log.row("bandit_stats", "ann", CURRENT, 1.0)
    assert (row["pulls"], row["cumulative_reward"], row["state_version"], row["reset_seq"]) == (0, 0.0, 2, 3)
    assert not np.frombuffer(row["s"]).any()
    assert not np.frombuffer(row["c"]).any()
    log.scored()
    log.feedback("helpful")
    assert log.learned() == (3, 1, 0.5)
    assert log.row("bandit_stats", "ann", CURRENT, 1.0)["reset_seq"] == 3


def test_the_reset_of_somebody_unknown_is_a_version_too(log: Log) -> None:
    log.reset("zoe")
    assert log.learned("zoe") == (1, 0, 0.0)
    assert log.row("bandit_stats", "zoe", CURRENT, 1.0)["state_version"] == 1


def test_feedback_on_a_decision_before_the_reset_is_stored_not_learned(log: Log) -> None:
    log.scored(decision_id="d1")
    log.reset()
    log.feedback("done", decision_id="d1")
    log.feedback("helpful")
    assert log.learned() == (1, 0, 0.0)
    assert log.column("feedback", "status") == ["before_reset", "before_reset"]
    assert log.column("feedback", "effect") == ["none", "none"]
    assert log.row("tip_scores", 1)["reward"] == 1.5, "tables count what the sums forgot"


def test_a_correction_of_a_pull_before_the_reset_is_stored_not_learned(log: Log) -> None:
    log.scored(decision_id="d1")
    log.feedback("helpful", decision_id="d1")
    log.reset()
    log.feedback("not_helpful", decision_id="d1")
    assert log.learned() == (2, 0, 0.0)
    assert not sums(log).c.any()
    assert log.row("tip_scores", 1)["reward"] == -0.5


def test_feedback_that_waited_through_the_reset_is_stored_not_learned(log: Log) -> None:
    log.feedback("done", decision_id="d1")
    log.reset()
    log.scored(decision_id="d1")
    assert log.learned() == (1, 0, 0.0)
    assert log.column("feedback", "status") == ["before_reset"]
    assert log.row("tip_scores", 3)["reward"] == 1.0


@pytest.mark.parametrize("second", ["not_helpful", "done"])
def test_the_first_feedback_after_the_reset_is_the_pull_of_a_decision_after_it(log: Log, second: str) -> None:
    log.feedback("helpful", decision_id="d1")
    log.reset()
    log.scored(decision_id="d1")
    step = log.feedback(second, decision_id="d1")  # type: ignore[arg-type]
    reward = {"not_helpful": -0.5, "done": 1.5}[second]
    assert step.joins[0].effect == "pull"
    assert log.row("tip_scores", 3)["reward"] == reward
    assert log.row("feedback", 4)["reward_delta"] == reward
    assert log.learned() == (2, 1, reward)
    assert np.array_equal(sums(log).s, np.outer(X, X))
    assert np.array_equal(sums(log).c, reward * np.array(X))


def test_the_same_action_is_a_pull_when_the_first_one_was_before_the_reset(log: Log) -> None:
    log.feedback("helpful", decision_id="d1")
    log.reset()
    log.scored(decision_id="d1")
    log.feedback("helpful", decision_id="d1")
    assert log.learned() == (2, 1, 0.5)
    log.feedback("helpful", decision_id="d1")
    assert log.learned() == (2, 1, 0.5)


def test_another_person_s_reset_changes_nothing(log: Log) -> None:
    log.scored()
    log.reset("bob")
    log.feedback("done")
    assert log.learned() == (1, 1, 1.0)


def test_the_state_version_counts_pulls_corrections_and_resets_only(log: Log) -> None:
    versions = []
    for action in ("scored", "helpful", "helpful", "done", "signal", "reset", "done", "scored", "snoozed", "done"):
        if action == "scored":
            log.scored()
        elif action == "signal":
            log.signal({"steps": 1.0})
        elif action == "reset":
            log.reset()
        else:
            log.feedback(action)  # type: ignore[arg-type]
        versions.append(log.learned()[0])
    assert versions == [0, 1, 1, 2, 2, 3, 3, 3, 4, 5]


def test_a_join_tells_what_was_added_to_the_sums(log: Log) -> None:
    log.scored(decision_id="d1")
    joins = [log.feedback(action, decision_id="d1").joins[0] for action in ("snoozed", "helpful", "helpful")]
    assert [(join.effect, join.reward, join.delta) for join in joins] == [
        ("pull", 0.0, 0.0),
        ("correction", 0.5, 0.5),
        ("none", 0.5, 0.0),
    ]
    assert joins[0].feedback.recorded_us == START_US
