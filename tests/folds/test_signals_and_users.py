"""The online feature view, and who was seen in the stream."""

import pytest

from contracts import reasons
from contracts.times import HOUR_US
from tests.folds.log import START_US, Log


def view(log: Log, user: str = "ann") -> dict[str, float]:
    return {row["name"]: row["value"] for row in log.rows("online_features") if row["user_id"] == user}


def test_a_signal_is_stored_and_becomes_the_person_s_latest_value(log: Log) -> None:
    expires = log.now_us + HOUR_US
    log.signal({"steps": 5000, "mood": 3.5}, source="phone", token_expires_us=expires, event_id="s1")
    assert log.rows("signals") == [
        {
            "seq": 1, "event_id": "s1", "user_id": "ann", "source": "phone", "values": '{"mood":3.5,"steps":5000.0}',
            "observed_at": log.now_us, "token_expires_at": expires, "recorded_at": log.now_us,
        }
    ]  # fmt: skip
    assert log.row("online_features", "ann", "steps") == {
        "user_id": "ann", "name": "steps", "value": 5000.0, "source": "phone", "observed_at": log.now_us,
        "token_expires_at": expires, "seq": 1,
    }  # fmt: skip
    assert view(log) == {"steps": 5000.0, "mood": 3.5}


def test_a_later_observation_replaces_an_earlier_one_whatever_its_source(log: Log) -> None:
    log.signal({"steps": 1.0}, source="phone", token_expires_us=log.now_us)
    log.wait(hours=1)
    log.signal({"steps": 2.0}, source="watch")
    row = log.row("online_features", "ann", "steps")
    assert (row["value"], row["source"], row["token_expires_at"], row["seq"]) == (2.0, "watch", None, 2)


def test_an_observation_that_arrives_late_does_not_replace_a_newer_one(log: Log) -> None:
    log.signal({"steps": 1.0, "mood": 1.0}, observed_us=START_US)
    log.wait(hours=2)
    log.signal({"steps": 3.0}, observed_us=START_US + 2 * HOUR_US)
    log.signal({"steps": 2.0, "mood": 2.0, "sleep": 2.0}, observed_us=START_US + HOUR_US)
    assert view(log) == {"steps": 3.0, "mood": 2.0, "sleep": 2.0}
    assert len(log.rows("signals")) == 3, "the late one is stored all the same"
    log.signal({"steps": 4.0}, observed_us=START_US + 2 * HOUR_US)
    assert view(log)["steps"] == 4.0, "of two at one moment the later in the stream holds"


def test_one_person_s_signals_are_not_another_s(log: Log) -> None:
    log.signal({"steps": 1.0}, "ann")
    log.signal({"steps": 2.0}, "bob", observed_us=START_US - HOUR_US)
    assert (view(log, "ann"), view(log, "bob")) == ({"steps": 1.0}, {"steps": 2.0})


@pytest.mark.parametrize("value", [-0.0, 5e-324, 1.7976931348623157e308, -1.5, 2.0**60])
def test_any_finite_value_is_kept_to_the_bit(log: Log, value: float) -> None:
    log.signal({"steps": value})
    assert log.row("online_features", "ann", "steps")["value"].hex() == value.hex()


def test_users_counts_what_counts(log: Log) -> None:
    log.signal({"steps": 1.0})
    log.wait(seconds=1)
    log.scored()
    log.scored()
    log.wait(seconds=1)
    log.feedback("helpful")
    log.feedback("helpful", decision_id="unseen")
    log.feedback("helpful", tip="swim")
    log.again(4)
    log.bare("tips.feedback.liked.ann")
    log.scored("bob", x=[1.0])
    assert log.rows("users") == [
        {
            "user_id": "ann", "first_seen": START_US, "last_seen": START_US + 2_000_000, "decisions": 2, "feedback": 3,
            "signals": 1, "last_seq": 6,
        }
    ]  # fmt: skip
    assert log.row("users", "ann")["feedback"] == len(log.rows("feedback"))
    assert [reason for _, reason in log.dead()] == [reasons.UNKNOWN_ACTION, reasons.WRONG_FEATURES]


def test_an_admin_s_reset_does_not_make_a_person_seen(log: Log) -> None:
    log.reset("ann")
    assert log.rows("users") == []
