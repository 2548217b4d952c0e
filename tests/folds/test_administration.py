"""What admins did and what of it stands; dead letters until they are put aside."""

import orjson

from contracts import reasons
from contracts.envelope import Message
from contracts.events.admin import (
    Arm,
    DeadLetterSkipped,
    ExperimentStarted,
    ExperimentStopped,
    PolicyPromoted,
    QueryDeleted,
    QuerySaved,
    ReplayCompleted,
    ReplayRequested,
    ReplayResult,
    SqlExecuted,
)
from contracts.times import DAY_US, format_time
from tests.folds.log import Log


def test_every_signed_event_is_an_action_of_its_actor(log: Log) -> None:
    log.admin(PolicyPromoted(policy="linucb", params={"alpha": 0.5}, reason="it wins"), actor="ada é", event_id="a1")
    assert log.rows("admin_actions") == [
        {
            "seq": 1, "event_id": "a1", "type": "tipstream.policy.promoted.v1", "actor": "ada é",
            "subject": "tips.admin.policy.promoted.linucb", "user_id": None, "reason": "it wins",
            "body": '{"params":{"alpha":0.5},"policy":"linucb","reason":"it wins"}', "occurred_at": log.now_us,
            "recorded_at": log.now_us,
        }
    ]  # fmt: skip
    log.admin(SqlExecuted(sql="select 1", door="quack", outcome="ok", duration_us=5, rows=1))
    assert orjson.loads(log.row("admin_actions", 2)["body"])["sql"] == "select 1"


def test_an_unsigned_or_forged_admin_event_is_a_dead_letter_and_changes_nothing(log: Log) -> None:
    log.bare("tips.admin.policy.promoted.linucb")
    log.admin(PolicyPromoted(policy="greedy"))
    good = log.records[1]
    log.publish(Message("tips.admin.policy.promoted.random", dict(good.headers), b"{}"))
    assert log.dead() == [(1, reasons.UNSIGNED), (3, reasons.BAD_SIGNATURE)]
    assert log.column("policies", "policy") == ["greedy"]
    assert len(log.rows("admin_actions")) == 1


def test_a_replay_is_requested_and_completed(log: Log) -> None:
    upto = log.now_us - DAY_US
    log.admin(ReplayRequested(replay_id="r1", projections=["sqlite", "scorer"], user_id="ann", upto_time=upto))
    row = log.row("replays", "r1")
    assert row == {
        "replay_id": "r1", "mode": "rebuild", "projections": '["sqlite","scorer"]', "user_id": "ann",
        "upto_seq": None, "upto_time": upto, "requested_by": "ada", "requested_at": log.now_us, "requested_seq": 1,
        "outcome": None, "full": None, "events": None, "duration_us": None, "results": None, "detail": None,
        "completed_at": None,
    }  # fmt: skip
    assert format_time(upto) in log.row("admin_actions", 1)["body"]
    log.wait(seconds=3)
    result = ReplayResult(projection="sqlite", version=2, upto_seq=1, equal=True, switched=True)
    log.admin(
        ReplayCompleted(
            replay_id="r1", outcome="done", full=True, events=1, duration_us=9, results=[result], detail="ok"
        )
    )
    done = log.row("replays", "r1")
    assert (done["outcome"], done["full"], done["events"], done["duration_us"]) == ("done", True, 1, 9)
    assert (done["detail"], done["completed_at"]) == ("ok", log.now_us)
    assert orjson.loads(done["results"]) == [result.model_dump(mode="json")]
    assert (done["requested_by"], done["projections"]) == ("ada", row["projections"])


def test_the_completion_of_an_unknown_replay_is_an_action_and_nothing_more(log: Log) -> None:
    log.admin(ReplayCompleted(replay_id="r9", outcome="failed", full=False, events=0, duration_us=0, results=[]))
    assert log.rows("replays") == []
    assert len(log.rows("admin_actions")) == 1


def test_an_experiment_starts_stops_and_may_start_again(log: Log) -> None:
    arms = [Arm(policy="linucb", weight=1), Arm(policy="greedy", weight=2)]
    started = ExperimentStarted(experiment_id="x1", name="First", salt="s", arms=arms, holdback=0)
    log.admin(started)
    row = log.row("experiments", "x1")
    assert row["arms"] == '[{"policy":"linucb","weight":1.0},{"policy":"greedy","weight":2.0}]'
    assert (row["holdback"], row["started_at"], row["stopped_at"], row["seq"]) == (0.0, log.now_us, None, 1)
    log.wait(seconds=1)
    log.admin(ExperimentStopped(experiment_id="x1"))
    stopped = log.row("experiments", "x1")
    assert (stopped["stopped_at"], stopped["seq"], stopped["name"]) == (log.now_us, 2, "First")
    log.admin(started)
    assert log.row("experiments", "x1")["stopped_at"] is None
    log.admin(ExperimentStopped(experiment_id="unknown"))
    assert len(log.rows("experiments")) == 1


def test_a_query_is_kept_renamed_and_removed(log: Log) -> None:
    log.admin(QuerySaved(query_id="q1", name="one", sql="select 1"), actor="ada")
    log.admin(QuerySaved(query_id="q1", name="two", sql="select 2"), actor="bea")
    assert log.rows("saved_queries") == [
        {"query_id": "q1", "owner": "bea", "name": "two", "sql": "select 2", "saved_at": log.now_us, "seq": 2}
    ]
    log.admin(QueryDeleted(query_id="q1"))
    log.admin(QueryDeleted(query_id="q1"))
    assert log.rows("saved_queries") == []
    assert len(log.rows("admin_actions")) == 4


def test_a_malformed_message_is_kept_with_its_reason_and_bytes_and_folding_goes_on(log: Log) -> None:
    log.bare("tips.feedback.helpful.ann", b"\xff\x00not json", {"X-Any": "thing"})
    log.scored()
    log.feedback("done")
    assert log.rows("dead_letters") == [
        {
            "seq": 1, "subject": "tips.feedback.helpful.ann", "user_id": "ann", "reason": reasons.NOT_JSON,
            "detail": log.rows("dead_letters")[0]["detail"], "headers": '{"X-Any":"thing"}',
            "data": b"\xff\x00not json", "recorded_at": log.now_us, "found_at": log.now_us, "skipped_by": None,
            "skipped_at": None,
        }
    ]  # fmt: skip
    assert log.learned() == (1, 1, 1.0)


def test_each_copy_of_a_malformed_message_is_a_dead_letter(log: Log) -> None:
    log.bare("tips.feedback.liked.ann")
    log.again(1)
    assert log.dead() == [(1, reasons.UNKNOWN_ACTION), (2, reasons.UNKNOWN_ACTION)]


def test_headers_that_are_no_text_are_kept_as_far_as_a_store_can_hold_them(log: Log) -> None:
    log.bare("tips.feedback.liked.ann", b"{}", {"X-Odd": "a\udcffb", "ce-id": "\udcff"})
    assert orjson.loads(log.row("dead_letters", 1)["headers"]) == {"X-Odd": "a?b", "ce-id": "?"}


def test_a_dead_letter_is_put_aside_in_the_actor_s_name(log: Log) -> None:
    log.bare("tips.feedback.liked.ann")
    log.wait(seconds=1)
    log.admin(DeadLetterSkipped(seq=1), actor="bea")
    row = log.row("dead_letters", 1)
    assert (row["skipped_by"], row["skipped_at"], row["reason"]) == ("bea", log.now_us, reasons.UNKNOWN_ACTION)


def test_putting_aside_what_is_no_dead_letter_is_an_action_and_nothing_more(log: Log) -> None:
    log.feedback("done", decision_id="late")
    log.admin(DeadLetterSkipped(seq=1))
    log.admin(DeadLetterSkipped(seq=77))
    assert log.rows("dead_letters") == []
    log.wait(days=8)
    log.signal({"steps": 1.0})
    assert log.row("dead_letters", 1)["skipped_by"] is None


def test_a_header_id_that_is_no_text_does_not_stop_the_fold(log: Log) -> None:
    log.scored(decision_id="d1")
    log.bare("tips.feedback.helpful.ann", b"{}", {"ce-id": "a\udcffb"})
    log.bare("tips.feedback.done.ann", b"{}", {"Nats-Msg-Id": "a\udcffb"})
    assert log.learned() == (2, 1, 1.5)
    assert all(row["event_id"].encode() for row in log.rows("feedback"))


def test_an_empty_header_id_is_no_id(log: Log) -> None:
    log.scored(decision_id="d1")
    log.bare("tips.feedback.helpful.ann", b"{}", {"ce-id": ""})
    log.bare("tips.feedback.helpful.ann", b"{}", {"ce-id": "", "Nats-Msg-Id": ""})
    log.bare("tips.feedback.helpful.ann", b'{"event_id":"said"}', {"ce-id": ""})
    ids = log.column("feedback", "event_id")
    assert len(set(ids)) == 3
    assert ids[2] == "said"
