"""Any id becomes one token and comes back; nothing else decodes."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.subjects import BadId, BadSubject, build, decode_id, encode_id, parse, person_filters

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)


@given(ids)
def test_any_unicode_id_survives_the_round_trip_as_one_token(identifier: str) -> None:
    token = encode_id(identifier)
    assert decode_id(token) == identifier
    assert set(token) <= set(string.ascii_letters + string.digits + "_-~")


@given(ids, ids)
def test_different_ids_never_share_a_token(one: str, other: str) -> None:
    assert (encode_id(one) == encode_id(other)) == (one == other)


@given(ids)
def test_a_pattern_parses_what_it_builds(identifier: str) -> None:
    pattern = "tips.feedback.{action}.{user_id}"
    subject = build(pattern, {"action": "helpful", "user_id": identifier})
    assert parse(pattern, subject) == {"action": "helpful", "user_id": identifier}
    assert subject in [person.replace("*", "helpful", 1) for person in person_filters(identifier)]


def test_a_person_s_events_are_not_those_of_a_policy_of_the_same_name() -> None:
    assert build("tips.admin.policy.enabled.{policy}", {"policy": "linucb"}) not in person_filters("linucb")
    assert build("tips.admin.bandit.reset.{user_id}", {"user_id": "linucb"}) in person_filters("linucb")


@pytest.mark.parametrize("identifier", ["ann", "A_b-9", "x" * 64])
def test_a_plain_id_is_its_own_token(identifier: str) -> None:
    assert encode_id(identifier) == identifier


@pytest.mark.parametrize("identifier", ["", "x" * 513, "\ud800"])
def test_an_impossible_id_is_refused(identifier: str) -> None:
    with pytest.raises(BadId):
        encode_id(identifier)


@pytest.mark.parametrize("token", ["*", ">", "a b", "é", "x" * 65, "~", "~YW5u", "~YW5uIA==", "~_w", "~!", "~YW5uIB"])
def test_a_token_that_encoding_would_not_write_is_refused(token: str) -> None:
    with pytest.raises(BadSubject):
        decode_id(token)
