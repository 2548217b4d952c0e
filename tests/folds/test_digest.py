"""The digest of a table: what it tells apart, what it does not, and that its parts add up."""

import enum
import hashlib
import itertools
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.folds.digest import MODULUS, canonical, combined, hexadecimal, of_person, row_hash, rows_digest
from projections.folds.tables import FEEDBACK, TABLES, TIPS
from tests.folds.log import Log, digests

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
values = scalars | st.lists(st.floats(allow_nan=False)) | st.lists(st.text()) | st.lists(scalars)
rows = st.lists(values, max_size=6).map(tuple)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, b"n"),
        (True, b"t"),
        (False, b"f"),
        (-12, b"i-12;"),
        (1.5, b"d" + struct.pack(">d", 1.5)),
        ("é", b"s2:\xc3\xa9"),
        (b"\x00", b"b1:\x00"),
        ([], b"l0:"),
        ([1.5, 2.5], b"l2:d" + struct.pack(">d", 1.5) + b"d" + struct.pack(">d", 2.5)),
        (["a", "é"], b"l2:s1:as2:\xc3\xa9"),
        ([1, 1.0, None, "a"], b"l4:i1;d" + struct.pack(">d", 1.0) + b"ns1:a"),
    ],
)
def test_a_value_has_one_spelling(value: Any, expected: bytes) -> None:
    assert canonical(value) == expected


def test_a_row_s_hash_is_sha_256_of_its_values() -> None:
    assert row_hash((1, "a")) == int.from_bytes(hashlib.sha256(b"i1;s1:a").digest(), "big")


def test_values_of_different_kinds_are_never_the_same() -> None:
    different: list[Any] = [
        None, True, False, 0, 1, 0.0, 1.0, "", "1", "n", b"", b"1", [], [[]], [None], ["1"], [1], [1.0], ["", ""],
        ["a", "b"], ["ab"], 5e-324, "0", [0.0], [0],
    ]  # fmt: skip
    for one, other in itertools.combinations(different, 2):
        assert canonical(one) != canonical(other), (one, other)


def test_minus_zero_is_zero_since_sqlite_stores_it_so() -> None:
    assert canonical(-0.0) == canonical(0.0)
    assert canonical([-0.0, 1.0]) == canonical([0.0, 1.0])


def test_a_list_is_a_list_whether_it_is_a_tuple() -> None:
    assert canonical(("a", 1.0)) == canonical(["a", 1.0])


def test_a_kind_of_a_known_type_is_that_type() -> None:
    class Colour(enum.IntEnum):
        RED = 7

    assert canonical(Colour.RED) == canonical(7)
    assert row_hash(("a", Colour.RED)) == row_hash(("a", 7))


@pytest.mark.parametrize("value", [object(), {"a": 1}, {1}, 1j, [object()]])
def test_what_no_column_holds_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="may not hold"):
        canonical(value)


@given(rows, rows)
def test_rows_that_differ_have_different_bytes(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    def told(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [told(item) for item in value]
        return type(value), value

    same = b"".join(map(canonical, one)) == b"".join(map(canonical, other))
    assert same == (told(one) == told(other))


@given(st.lists(rows, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_count_and_parts_add_up(many: list[tuple[Any, ...]], chance: Any) -> None:
    shuffled = list(many)
    chance.shuffle(shuffled)
    assert rows_digest(shuffled) == rows_digest(many)
    cut = chance.randint(0, len(many))
    assert (rows_digest(many[:cut]) + rows_digest(many[cut:])) % MODULUS == rows_digest(many)


def test_a_row_twice_is_not_a_row_missing() -> None:
    assert rows_digest([(1,), (1,)]) not in (rows_digest([(1,)]), rows_digest([]))
    assert rows_digest([]) == 0
    assert hexadecimal(rows_digest([])) == "0" * 64
    assert len(hexadecimal(rows_digest([(1,)]))) == 64


def test_one_digest_of_several_tables_names_them() -> None:
    assert combined([("a", "1"), ("b", "2")]) == combined([("b", "2"), ("a", "1")])
    assert combined([("a", "1"), ("b", "2")]) != combined([("a", "2"), ("b", "1")])


def test_the_rows_of_one_person_are_theirs_and_a_table_of_things_has_none() -> None:
    row: dict[str, Any] = dict.fromkeys(FEEDBACK.names)
    mine = tuple((row | {"user_id": "ann", "seq": 1}).values())
    yours = tuple((row | {"user_id": "bob", "seq": 2}).values())
    assert of_person(FEEDBACK, [mine, yours], "ann") == [mine]
    assert of_person(TIPS, [("walk",)], "walk") == []


def test_a_change_of_any_person_s_row_changes_their_digest_only(log: Log) -> None:
    log.scored("ann")
    log.scored("bob")
    ann, bob, whole = digests(log.tables, "ann"), digests(log.tables, "bob"), digests(log.tables)
    log.feedback("done", "ann")
    assert digests(log.tables, "bob") == bob
    changed = {name for name, digest in digests(log.tables, "ann").items() if digest != ann[name]}
    assert changed == {"tip_scores", "feedback", "bandit_stats", "users"}
    assert {name for name, digest in digests(log.tables).items() if digest != whole[name]} == changed


def test_every_table_s_key_and_person_are_columns_of_it() -> None:
    for table in TABLES:
        assert len(set(table.names)) == len(table.names)
        assert set(table.key) <= set(table.names), table.name
        assert table.person is None or table.person in table.names
        assert [table.position(name) for name in table.names] == list(range(len(table.columns)))
        assert all(set(index) <= set(table.names) for index in table.indexes)
        assert table.stores <= {"sqlite", "duckdb"}
        assert table.stores
