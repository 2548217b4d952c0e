"""Many changes become one batch a table, with the effect they have one by one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.folds.changes import Change, Drop, Patch, Put, Row, TableBatch, coalesce, collect, key_of, patched
from projections.folds.projection import kept
from projections.folds.tables import FEATURE_HISTORY, POLICIES, SAVED_QUERIES, SIGNALS, USERS
from tests.folds.log import Log, apply, apply_batches, empty_tables


def query(query_id: str, name: str) -> Row:
    return (query_id, "ada", name, "select 1", 5, 1)


def batch(*changes: Change) -> TableBatch:
    (only,) = coalesce(changes)
    return only


def test_of_several_puts_of_a_key_the_last_stays() -> None:
    found = batch(Put(SAVED_QUERIES, query("a", "one")), Put(SAVED_QUERIES, query("a", "two")))
    assert found.puts == {("a",): query("a", "two")}
    assert (found.drops, found.patches) == ({}, {})


def test_a_patch_of_a_new_row_becomes_part_of_it() -> None:
    found = batch(Put(SAVED_QUERIES, query("a", "one")), Patch(SAVED_QUERIES, ("a",), {"name": "two", "seq": 9}))
    assert found.puts == {("a",): ("a", "ada", "two", "select 1", 5, 9)}
    assert found.patches == {}


def test_patches_of_an_old_row_are_merged() -> None:
    found = batch(
        Patch(SAVED_QUERIES, ("a",), {"name": "one", "seq": 1}),
        Patch(SAVED_QUERIES, ("a",), {"name": "two"}),
        Patch(SAVED_QUERIES, ("b",), {"seq": 3}),
    )
    assert found.patches == {("a",): {"name": "two", "seq": 1}, ("b",): {"seq": 3}}


def test_a_put_after_a_patch_forgets_the_patch() -> None:
    found = batch(Patch(SAVED_QUERIES, ("a",), {"name": "old"}), Put(SAVED_QUERIES, query("a", "new")))
    assert (found.puts, found.patches) == ({("a",): query("a", "new")}, {})


def test_a_dropped_row_leaves_neither_put_nor_patch_but_is_dropped_from_the_store() -> None:
    found = batch(
        Put(SAVED_QUERIES, query("a", "one")), Patch(SAVED_QUERIES, ("b",), {"seq": 1}),
        Drop(SAVED_QUERIES, ("a",)), Drop(SAVED_QUERIES, ("b",)),
    )  # fmt: skip
    assert (list(found.drops), found.puts, found.patches) == ([("a",), ("b",)], {}, {})


def test_a_row_put_again_after_its_drop_is_dropped_and_put() -> None:
    found = batch(Drop(SAVED_QUERIES, ("a",)), Put(SAVED_QUERIES, query("a", "new")))
    assert (list(found.drops), found.puts) == ([("a",)], {("a",): query("a", "new")})


def test_there_is_one_batch_a_table_and_none_without_changes() -> None:
    changes: list[Change] = [Put(SAVED_QUERIES, query("a", "one")), Drop(USERS, ("ann",)), Drop(SAVED_QUERIES, ("b",))]
    assert [one.table for one in coalesce(changes)] == [SAVED_QUERIES, USERS]
    assert coalesce([]) == []


def test_a_patch_made_into_a_row_does_not_touch_the_row_that_was_given() -> None:
    row = query("a", "one")
    values = {"name": "two"}
    batches: dict[str, TableBatch] = {}
    collect(batches, [Patch(SAVED_QUERIES, ("b",), values)], None)
    collect(batches, [Patch(SAVED_QUERIES, ("b",), {"seq": 4}), Put(SAVED_QUERIES, row)], None)
    collect(batches, [Patch(SAVED_QUERIES, ("a",), values)], None)
    assert row == query("a", "one")
    assert values == {"name": "two"}


def test_a_store_gets_the_changes_of_the_tables_it_keeps() -> None:
    changes: list[Change] = [Drop(SAVED_QUERIES, ("a",)), Drop(SIGNALS, (1,)), Drop(POLICIES, ("linucb",))]
    for store, tables in (("sqlite", [SAVED_QUERIES, POLICIES]), ("duckdb", [SIGNALS, POLICIES])):
        batches: dict[str, TableBatch] = {}
        collect(batches, changes, store)  # type: ignore[arg-type]
        assert [one.table for one in batches.values()] == tables
        assert [one.table for one in kept(changes, store)] == tables  # type: ignore[arg-type]


def test_a_key_is_made_of_the_key_s_columns() -> None:
    row: list[Any] = [None] * len(FEATURE_HISTORY.columns)
    row[0], row[1] = "ann", 7
    assert key_of(FEATURE_HISTORY, tuple(row)) == ("ann", 7)
    assert key_of(SAVED_QUERIES, query("a", "one")) == ("a",)


def test_a_patched_row_has_the_new_values_in_their_columns() -> None:
    assert patched(SAVED_QUERIES, query("a", "one"), {}) == query("a", "one")
    assert patched(SAVED_QUERIES, query("a", "one"), {"seq": 8, "name": "x"}) == ("a", "ada", "x", "select 1", 5, 8)
    with pytest.raises(KeyError):
        patched(SAVED_QUERIES, query("a", "one"), {"nothing": 1})


keys = st.sampled_from(["a", "b", "c"])
changes_of_queries = st.lists(
    st.builds(lambda key, name: Put(SAVED_QUERIES, query(key, name)), keys, st.text(max_size=2))
    | st.builds(lambda key, seq: Patch(SAVED_QUERIES, (key,), {"seq": seq}), keys, st.integers(0, 9))
    | st.builds(lambda key, name: Patch(SAVED_QUERIES, (key,), {"name": name}), keys, st.text(max_size=2))
    | st.builds(lambda key: Drop(SAVED_QUERIES, (key,)), keys),
    max_size=20,
)


@given(st.lists(changes_of_queries, max_size=5))
def test_any_changes_in_any_batches_have_the_effect_of_each_in_turn(batches: list[list[Change]]) -> None:
    one_by_one, together = empty_tables(), empty_tables()
    for changes in batches:
        apply(one_by_one, changes)
        apply_batches(together, coalesce(changes))
    assert together == one_by_one


def test_a_decision_with_its_feedback_in_one_batch_is_one_row(log: Log) -> None:
    log.feedback("helpful", decision_id="d1")
    log.scored(decision_id="d1")
    log.feedback("done", decision_id="d1")
    assert len(log.rows("tip_scores")) == 1
    assert log.row("tip_scores", 2)["reward"] == 1.5
