"""Feedback that arrives before its decision: it waits seven days of stream time, then it is a dead letter."""

from contracts import reasons
from contracts.times import DAY_US
from tests.folds.log import Log


def test_a_decision_that_comes_in_time_is_joined(log: Log) -> None:
    step = log.feedback("done", decision_id="d1", event_id="f")
    assert step.waiting
    row = log.row("feedback", 1)
    assert (row["status"], row["effect"], row["reward_delta"], row["decision_id"]) == ("waiting", "none", None, "d1")
    log.wait(us=7 * DAY_US)
    step = log.scored(decision_id="d1")
    assert [join.feedback.event_id for join in step.joins] == ["f"]
    row = log.row("feedback", 1)
    assert (row["status"], row["effect"], row["reward_delta"]) == ("attributed", "pull", 1.0)
    assert log.row("tip_scores", 2)["reward"] == 1.0
    assert log.learned() == (1, 1, 1.0)
    assert not log.state.attribution.waiting
    log.wait(days=30)
    log.signal({"steps": 1.0})
    assert log.dead() == []


def test_several_that_wait_are_joined_in_their_order(log: Log) -> None:
    log.feedback("helpful", decision_id="d1")
    log.feedback("done", decision_id="d1")
    log.feedback("not_helpful", decision_id="d1")
    step = log.scored(decision_id="d1")
    assert [join.effect for join in step.joins] == ["pull", "correction", "correction"]
    assert [join.delta for join in step.joins] == [0.5, 1.0, -1.0]
    assert log.column("feedback", "reward_delta") == [0.5, 1.0, -1.0]
    assert log.row("tip_scores", 4)["reward"] == 0.5
    assert log.row("tip_scores", 4)["reactions"] == 3
    assert log.learned() == (3, 1, 0.5)


def test_a_decision_that_never_comes_is_a_dead_letter_with_its_bytes(log: Log) -> None:
    log.bare("tips.feedback.done.ann", b'{"decision_id":"gone"}', {"Nats-Msg-Id": "m"})
    log.wait(us=7 * DAY_US)
    log.signal({"steps": 1.0}, "bob")
    assert log.dead() == []
    log.wait(us=1)
    step = log.signal({"steps": 2.0}, "bob")
    assert log.dead() == [(1, reasons.DECISION_NEVER_CAME)]
    row = log.row("dead_letters", 1)
    assert row["data"] == b'{"decision_id":"gone"}'
    assert row["headers"] == '{"Nats-Msg-Id":"m"}'
    assert "gone" in row["detail"]
    assert row["recorded_at"] == log.now_us - 7 * DAY_US - 1
    assert row["found_at"] == log.now_us - 1, "when the wait ended, whichever event shows it"
    assert [feedback.seq for feedback in step.given_up] == [1]
    assert log.rows("feedback") == []
    assert log.row("users", "ann")["feedback"] == 0
    assert log.row("users", "ann")["last_seq"] == 1
    assert not log.state.attribution.waiting


def test_a_decision_that_comes_too_late_finds_no_one_waiting(log: Log) -> None:
    log.feedback(decision_id="d1")
    log.wait(days=7, us=1)
    step = log.scored(decision_id="d1")
    assert not step.joins
    assert log.dead() == [(1, reasons.DECISION_NEVER_CAME)]
    assert log.row("tip_scores", 2)["reactions"] == 0
    log.feedback("helpful", decision_id="d1")
    assert log.learned() == (1, 1, 0.5)


def test_a_malformed_message_too_tells_the_time(log: Log) -> None:
    log.feedback(decision_id="d1")
    log.wait(days=8)
    log.bare("tips.feedback.liked.ann")
    assert log.dead() == [(1, reasons.DECISION_NEVER_CAME), (2, reasons.UNKNOWN_ACTION)]


def test_each_gives_up_when_its_own_seven_days_are_over(log: Log) -> None:
    for name in ("a", "b", "a", "c", "a"):
        log.feedback(decision_id=name, event_id=f"{name}{log.seq}")
        log.wait(days=1)
    found = []
    for _ in range(8):
        step = log.signal({"steps": 1.0})
        found.append([feedback.seq for feedback in step.given_up])
        log.wait(days=1)
    assert found == [[], [], [], [1], [2], [3], [4], [5]]
    assert log.rows("feedback") == []
    assert log.column("dead_letters", "seq") == [1, 2, 3, 4, 5]


def test_many_give_up_at_once(log: Log) -> None:
    for number in range(50):
        log.feedback(decision_id=f"d{number % 7}")
    log.wait(days=8)
    step = log.signal({"steps": 1.0})
    assert [feedback.seq for feedback in step.given_up] == list(range(1, 51))
    assert len(log.dead()) == 50


def test_those_still_waiting_are_joined_after_others_gave_up(log: Log) -> None:
    log.feedback("helpful", decision_id="d1")
    log.wait(days=4)
    log.feedback("done", decision_id="d1")
    log.wait(days=4)
    step = log.scored(decision_id="d1")
    assert [(join.feedback.seq, join.effect, join.delta) for join in step.joins] == [(2, "pull", 1.0)]
    assert log.dead() == [(1, reasons.DECISION_NEVER_CAME)]
    assert log.learned() == (1, 1, 1.0)


def test_a_decision_that_turns_out_another_person_s_is_a_dead_letter(log: Log) -> None:
    log.feedback(user="ann", decision_id="d1")
    step = log.scored("bob", "d1")
    assert [feedback.seq for feedback in step.given_up] == [1]
    assert log.dead() == [(1, reasons.OTHER_PERSON)]
    assert log.row("dead_letters", 1)["found_at"] == log.now_us
    assert log.rows("feedback") == []
    assert log.learned("bob") == (0, 0, 0.0)
    assert (log.row("users", "ann")["feedback"], log.row("users", "ann")["last_seq"]) == (0, 1)


def test_the_right_person_s_feedback_counts_though_another_waited_for_the_same_decision(log: Log) -> None:
    log.feedback("helpful", user="eve", decision_id="d1")
    log.feedback("done", user="ann", decision_id="d1")
    log.scored("ann", "d1")
    assert log.dead() == [(1, reasons.OTHER_PERSON)]
    assert log.learned("ann") == (1, 1, 1.0)


def test_a_copy_that_came_after_a_day_waits_but_counts_once(log: Log) -> None:
    log.feedback("helpful", decision_id="d1", event_id="f")
    log.wait(days=2)
    log.again(1)
    assert log.column("feedback", "status") == ["waiting", "waiting"]
    step = log.scored(decision_id="d1")
    assert [feedback.seq for feedback in step.given_up] == [2]
    assert log.column("feedback", "seq") == [1]
    assert log.learned() == (1, 1, 0.5)
    assert log.row("tip_scores", 3)["reactions"] == 1
    assert log.row("users", "ann")["feedback"] == 1
