"""A person erased: what the live fold keeps is the fold of the log that is left, row by row and to the last bit."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import Message, Recorded
from contracts.events.admin import ReplayRequested, UserErased, UserErasureRequested
from contracts.events.person import ShadowScored
from contracts.events.registry import person_on
from projections.folds.tables import TABLES
from tests.folds.log import Log, digests, fold_all, state_bytes
from tests.folds.stories import USERS, Act, admin, copies, malformed, months, pauses, skips, stories
from tests.folds.test_properties import by_themselves, thorough

ANN, BOB, ZOE = USERS


def about(recorded: Recorded, user: str) -> bool:
    """Whether a message goes with a person: its subject names them, or it is a replay asked for them."""
    if person_on(recorded.subject) == user:
        return True
    return recorded.subject.startswith("tips.admin.replay") and orjson.loads(recorded.data).get("user_id") == user


def left(log: Log, user: str, request: int, receipt: int) -> list[Recorded]:
    """What an erasure leaves of a log: `request` and `receipt` are the sequences of those."""

    def goes(recorded: Recorded) -> bool:
        if not about(recorded, user):
            return False
        stale = recorded.subject.startswith("tips.scored") and recorded.seq < receipt
        body = orjson.loads(recorded.data) if stale else {}
        asked = log.records[request - 1]
        # A reset of the same person has the same body.
        again = recorded.seq < receipt and (recorded.subject, recorded.data) == (asked.subject, asked.data)
        return recorded.seq <= request or again or (stale and not body["external"] and body["model_seq"] < request)

    return [recorded for recorded in log.records if not goes(recorded)]


def finish(log: Log, request: int) -> int:
    """Append the receipt of a request; its sequence."""
    erasure_id = log.records[request - 1].headers["ce-id"]
    log.admin(UserErased(erasure_id=erasure_id, ranges=[[1, 1]]))
    return log.seq


def asks_for_replays(user: str) -> Act:
    return lambda log: log.admin(
        ReplayRequested(replay_id=f"r{log.seq}", projections=["sqlite"], user_id=user), event_id=f"r{log.seq}"
    )


ALONE = by_themselves | pauses | months
OTHERS = admin | skips | malformed | copies | st.sampled_from(USERS).map(asks_for_replays)
LIVES = st.lists(ALONE | ALONE | OTHERS, max_size=12)


@given(stories(ALONE | ALONE | OTHERS, max_size=25), st.sampled_from(USERS), LIVES, LIVES, st.data())
@thorough
def test_after_an_erasure_the_live_fold_is_that_of_the_log_that_is_left(
    log: Log, user: str, between: list[Act], after: list[Act], data: st.DataObject
) -> None:
    log.erase(user)
    request = log.seq
    for act in between:
        act(log)
    theirs = [recorded.seq for recorded in log.records if recorded.seq < request and about(recorded, user)]
    gone = set(theirs[data.draw(st.integers(0, len(theirs)), label="not deleted yet") :])
    _, tables = fold_all(recorded for recorded in log.records if recorded.seq not in gone)
    assert tables == log.tables, "while the latest of their events are deleted first"
    receipt = finish(log, request)
    for act in after:
        act(log)
    state, tables = fold_all(left(log, user, request, receipt))
    assert tables == log.tables
    assert digests(tables) == digests(log.tables)
    assert state_bytes(state) == state_bytes(log.state)


def test_an_erased_person_has_no_row_and_no_sum(log: Log) -> None:
    log.scored("ann", "d1")
    log.feedback("helpful", "ann", "d1")
    log.feedback("done", "ann", "not-yet")
    log.signal({"steps": 5.0}, "ann")
    log.scored("bob", "d2")
    log.feedback("done", "bob", "d2")
    log.bare("tips.feedback.liked.ann", b"ann likes it")
    log.reset("ann")
    shadow = ShadowScored(
        decision_id="d1", user_id="ann", policy="greedy", model_version="prior/1", state_version=0, tip_id="walk",
        score=0.5, propensity=0.5, agreed=True, chosen_propensity=0.5, occurred_at=log.now_us,
    )  # fmt: skip
    log.event(shadow)
    asks_for_replays("ann")(log)
    named = {table.name for table in TABLES if any("ann" in str(row) for row in log.tables[table.name].values())}
    assert named == {table.name for table in TABLES if table.erased_by is not None}
    log.erase("ann")
    assert "ann" not in str(log.tables)
    assert b"ann" not in state_bytes(log.state)
    assert log.learned("ann") == (0, 0, 0.0)
    assert log.learned("bob") == (1, 1, 1.0)
    assert log.column("users", "user_id") == ["bob"]


def test_a_person_who_comes_back_starts_afresh(log: Log) -> None:
    log.scored("ann", "d1")
    log.feedback("helpful", "ann", "d1", event_id="f1")
    log.erase("ann")
    finish(log, log.seq)
    assert log.feedback("helpful", "ann", event_id="f1").unattributed is not None, "the same id, and no repeat"
    log.scored("ann", "d1")
    log.feedback("done", "ann", "d1")
    assert log.learned("ann") == (1, 1, 1.0)
    assert log.row("users", "ann")["decisions"] == 1
    assert log.rows("feature_history")[0]["slot"] == 0


def test_a_decision_made_before_an_erasure_that_arrives_after_it_counts_for_nothing(log: Log) -> None:
    log.scored("ann", "d1")
    log.erase("ann", "x1")
    request = log.seq
    log.scored("ann", "d2", model_seq=request - 1)
    assert log.rows("tip_scores") == []
    assert log.dead() == []
    log.scored("ann", "theirs", model_seq=0, external=True)
    log.scored("ann", "d3", model_seq=request)
    assert log.column("tip_scores", "decision_id") == ["theirs", "d3"]


@pytest.mark.parametrize("finished", [False, True])
def test_a_copy_of_a_request_takes_nothing_that_came_since(log: Log, *, finished: bool) -> None:
    log.signal({"steps": 5.0}, "ann")
    log.erase("ann", "x1")
    request = log.seq
    if finished:
        finish(log, request)
    log.signal({"steps": 6.0}, "ann")
    assert log.again(request).entry is None
    assert log.row("users", "ann")["signals"] == 1
    log.erase("ann", "x2")
    assert log.rows("users") == []


def test_the_request_leaves_no_row_and_the_receipt_one(log: Log) -> None:
    log.erase("ann")
    assert log.rows("admin_actions") == []
    finish(log, log.seq)
    assert log.column("admin_actions", "type") == ["tipstream.user.erased.v1"]


def test_an_unsigned_request_erases_nobody(log: Log) -> None:
    log.signal({"steps": 5.0}, "ann")
    event = UserErasureRequested(user_id="ann")
    log.publish(Message(event.subject(), {"ce-id": "x"}, event.to_json()))
    assert log.column("users", "user_id") == ["ann"]
    assert log.column("dead_letters", "user_id") == ["ann"]
