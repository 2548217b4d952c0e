"""What holds of every stream: folding is a function, batches and copies do not show, and the sums are the tables'."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.envelope import Recorded
from contracts.feature_sets import CURRENT
from contracts.rewards import OUTCOMES, VERDICTS, reward
from contracts.times import DAY_US
from projections.folds.changes import Change, TableBatch, coalesce, collect
from projections.folds.digest import MODULUS
from projections.folds.projection import State, fold
from projections.folds.tables import BY_NAME, TABLES, Store, tables_of
from tests.folds.log import (
    DECODER,
    Log,
    Tables,
    apply,
    apply_batches,
    array_back,
    digests,
    empty_tables,
    fold_all,
    state_bytes,
)
from tests.folds.stories import (
    ANYTHING,
    PERSONAL,
    USERS,
    Act,
    admin,
    feedback,
    months,
    pauses,
    resets,
    scored,
    signals,
    stories,
)

thorough = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEQUENCES = ("seq", "last_seq", "reset_seq", "requested_seq")


@given(stories(ANYTHING | months))
@thorough
def test_folding_a_stream_again_gives_the_same_rows_digests_and_state(log: Log) -> None:
    state, tables = fold_all(log.records)
    assert tables == log.tables
    assert digests(tables) == digests(log.tables)
    assert state_bytes(state) == state_bytes(log.state)


@given(stories(ANYTHING | months), st.lists(st.integers(1, 9), max_size=40))
@thorough
def test_batches_of_any_size_give_the_rows_of_single_changes(log: Log, sizes: list[int]) -> None:
    tables, changes = empty_tables(), fold_of(log)
    stores: dict[Store, Tables] = {"sqlite": empty_tables(), "duckdb": empty_tables()}
    while changes:
        size = sizes.pop() if sizes else len(changes)
        batch = [change for step in changes[:size] for change in step]
        apply_batches(tables, coalesce(batch))
        for store, theirs in stores.items():
            batches: dict[str, TableBatch] = {}
            collect(batches, batch, store)
            apply_batches(theirs, batches.values())
        changes = changes[size:]
    assert tables == log.tables
    for store, theirs in stores.items():
        kept = {table.name for table in tables_of(store)}
        assert theirs == {name: rows if name in kept else {} for name, rows in log.tables.items()}


def fold_of(log: Log) -> list[list[Change]]:
    state = State()
    return [fold(state, DECODER.decode(recorded))[1] for recorded in log.records]


@given(stories(ANYTHING | months), st.integers(0, 40))
@thorough
def test_a_state_put_away_at_any_event_folds_on_the_same(log: Log, cut: int) -> None:
    state, tables = fold_all(log.records[:cut])
    restored = msgspec.msgpack.decode(state_bytes(state), type=State, dec_hook=array_back)
    for recorded in log.records[cut:]:
        apply(tables, fold(restored, DECODER.decode(recorded))[1])
    assert state_bytes(restored) == state_bytes(log.state)
    assert tables == log.tables


def acts_of(user: str) -> st.SearchStrategy[Act]:
    """Acts of one person on decisions of their own."""
    own, alone = st.sampled_from([(user, f"{user}-{number}") for number in range(4)]), st.just(user)
    return scored(own) | feedback(own) | feedback(own) | signals(alone) | resets(alone)


# Made once: to make strategies while an example is drawn takes far longer than to draw it.
ACTS = {user: acts_of(user) for user in USERS}
by_themselves = st.sampled_from(USERS).flatmap(ACTS.__getitem__)


@given(stories(by_themselves | pauses), st.data())
@thorough
def test_the_order_of_different_persons_at_one_moment_does_not_show_in_any_person_s_digest(
    log: Log, data: st.DataObject
) -> None:
    order = {user: place for place, user in enumerate(data.draw(st.permutations(USERS)))}
    moved = sorted(log.records, key=lambda recorded: (recorded.recorded_ns, order[person_of(recorded)]))
    back = {number: recorded.seq for number, recorded in enumerate(moved, 1)}
    _, tables = fold_all(replace(recorded, seq=number) for number, recorded in enumerate(moved, 1))
    tables = with_sequences(tables, back)
    for user in USERS:
        assert digests(tables, user) == digests(log.tables, user)


def person_of(recorded: Recorded) -> str:
    return str(orjson.loads(recorded.data)["user_id"])


def with_sequences(tables: Tables, back: dict[int, int]) -> Tables:
    """The rows with their sequences as they were in another stream."""
    found = empty_tables()
    for name, rows in tables.items():
        table = BY_NAME[name]
        for row in rows.values():
            values = dict(zip(table.names, row, strict=True))
            if name == "dead_letters":
                # Its detail names the sequence that holds a decision's id.
                values["detail"] = ""
            values |= {column: back.get(values[column], 0) for column in SEQUENCES if column in values}
            found[name][tuple(values[column] for column in table.key)] = tuple(values.values())
    return found


@given(stories(PERSONAL | admin), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=12))
@thorough
def test_copies_within_a_day_leave_every_row_as_it_was(log: Log, wanted: list[tuple[int, int]]) -> None:
    refused = {row["seq"] for row in log.rows("dead_letters") if row["subject"].startswith("tips.scored")}
    stream = [(recorded, True) for recorded in log.records]
    for place, later in wanted:
        source = stream[place % len(stream)][0]
        at = min(place % len(stream) + later + 1, len(stream))
        before = stream[at - 1][0].recorded_ns
        # A copy of a copy is one of its original, so that one has to be young enough too.
        if source.seq not in refused and before - source.recorded_ns <= DAY_US * 1000:
            stream.insert(at, (replace(source, recorded_ns=before), False))
    back = {number: recorded.seq for number, (recorded, original) in enumerate(stream, 1) if original}
    state, tables = fold_all(replace(recorded, seq=number) for number, (recorded, _) in enumerate(stream, 1))
    assert with_sequences(tables, back) == with_sequences(log.tables, {seq: seq for seq in range(1, log.seq + 1)})
    assert {user: (one.version, one.sums.keys()) for user, one in state.learning.people.items()} == {
        user: (one.version, one.sums.keys()) for user, one in log.state.learning.people.items()
    }


@given(stories(ANYTHING, within_days=29))
@thorough
def test_the_sums_are_those_of_the_tables(log: Log) -> None:
    scores, reactions = log.rows("tip_scores"), log.rows("feedback")
    lists = {row["seq"]: row["x"] for row in log.rows("candidate_lists")}
    resets = [
        (orjson.loads(row["body"])["user_id"], row["seq"])
        for row in log.rows("admin_actions")
        if row["type"] == "tipstream.bandit.reset.v1"
    ]
    for user in USERS:
        forgotten = max((seq for whom, seq in resets if whom == user), default=0)
        s, c, pulls, total = np.zeros((16, 16)), np.zeros(16), 0, 0.0
        for decision in scores:
            if decision["user_id"] != user or decision["external"] or decision["seq"] < forgotten:
                continue
            if any(row["seq"] > forgotten for row in joined(reactions, decision)):
                x = np.array(lists[decision["seq"]])
                s, c = s + np.outer(x, x), c + decision["reward"] * x
                pulls, total = pulls + 1, total + decision["reward"]
        effects = Counter(row["effect"] for row in reactions if row["user_id"] == user)
        version = effects["pull"] + effects["correction"] + sum(whom == user for whom, _ in resets)
        assert log.learned(user) == (version, pulls, total)
        if version:
            row = log.row("bandit_stats", user, CURRENT, 1.0)
            assert (row["state_version"], row["pulls"], row["cumulative_reward"]) == (version, pulls, total)
            assert row["reset_seq"] == forgotten
            assert np.array_equal(np.frombuffer(row["s"]).reshape(16, 16), s)
            assert np.array_equal(np.frombuffer(row["c"]), c)


def joined(reactions: Iterable[dict[str, Any]], decision: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        row
        for row in reactions
        if row["decision_id"] == decision["decision_id"] and row["status"] not in ("unattributed", "waiting")
    ]


@given(stories(ANYTHING, within_days=29))
@thorough
def test_a_decision_s_reward_is_the_rule_applied_to_its_reactions(log: Log) -> None:
    reactions = log.rows("feedback")
    for decision in log.rows("tip_scores"):
        theirs = joined(reactions, decision)
        assert all(row["user_id"] == decision["user_id"] for row in theirs)
        assert decision["reactions"] == len(theirs)
        said = [row["action"] for row in theirs if row["action"] in VERDICTS]
        did = [row["action"] for row in theirs if row["action"] in OUTCOMES]
        verdict, outcome = said[-1] if said else None, did[-1] if did else None
        assert (decision["verdict"], decision["outcome"]) == (verdict, outcome)
        assert decision["reward"] == (reward(verdict, outcome) if theirs else None)
        assert decision["reacted_at"] == (theirs[-1]["occurred_at"] if theirs else None)


@given(stories(ANYTHING | months))
@thorough
def test_digests_of_all_persons_add_up_to_the_whole(log: Log) -> None:
    whole = digests(log.tables)
    parts = [digests(log.tables, user) for user in USERS]
    for table in TABLES:
        total = sum(int(part[table.name], 16) for part in parts) % MODULUS
        assert total == (int(whole[table.name], 16) if table.person else 0), table.name


@given(stories(ANYTHING | months))
@thorough
def test_every_message_is_counted_once_or_a_repeat_or_a_dead_letter(log: Log) -> None:
    stored = Counter[int]()
    for name in ("tip_scores", "feedback", "signals", "shadow_scores", "admin_actions", "dead_letters"):
        stored.update(log.column(name, "seq"))
    assert set(stored.values()) <= {1}
    state, repeats = State(), set[int]()
    for recorded in log.records:
        step, _ = fold(state, DECODER.decode(recorded))
        dead = {one.seq for one in step.dead}
        if step.entry is None and step.seq not in dead:
            repeats.add(step.seq)
        repeats |= {one.seq for one in step.given_up} - dead
    assert not repeats & set(stored)
    assert repeats | set(stored) == set(range(1, log.seq + 1))


@given(stories(ANYTHING | months))
@thorough
def test_users_counts_the_rows_of_each_person(log: Log) -> None:
    for user in USERS:
        row = next((row for row in log.rows("users") if row["user_id"] == user), None)
        for column, table in (("decisions", "tip_scores"), ("feedback", "feedback"), ("signals", "signals")):
            count = sum(whom == user for whom in log.column(table, "user_id"))
            assert (row[column] if row else 0) == count


@given(stories(ANYTHING | months))
@thorough
def test_memory_holds_no_more_than_the_windows(log: Log) -> None:
    held = log.state.attribution
    oldest = {
        30: [decision.recorded_us for decision in held.decisions.values()],
        7: [one.recorded_us for one in held.waiting.values()],
        1: list(held.seen.values()),
    }
    last = log.records[-1].recorded_us if log.records else 0
    for days, times in oldest.items():
        assert all(last - time <= days * DAY_US for time in times)
        assert times == sorted(times)
    assert sorted(one for many in held.recent.values() for one in many) == sorted(held.decisions)
    assert sorted(seq for many in held.awaited.values() for seq in many) == list(held.waiting)
    waiting = [row["seq"] for row in log.rows("feedback") if row["status"] == "waiting"]
    assert waiting == list(held.waiting)
