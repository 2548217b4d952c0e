"""Any id becomes one token and comes back; nothing else decodes."""

import asyncio
import string

import nats
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.events.base import Event
from contracts.events.registry import EVENTS, types_on
from contracts.subjects import (
    BadId,
    BadSubject,
    build,
    check_pattern,
    decode_id,
    encode_id,
    matches,
    parse,
    person_filters,
    places,
)
from tests.servers import NatsServer

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


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_a_subject_holds_the_types_of_its_pattern_and_no_other_does(event: type[Event]) -> None:
    ids = {name: f"Zoë {name}" for name in places(event.SUBJECT)}
    subject = build(event.SUBJECT, ids)
    assert types_on(subject) == [(other, ids) for other in EVENTS if other.SUBJECT == event.SUBJECT]
    tokens = subject.split(".")
    for other in ".".join(tokens[:-1]), f"{subject}.more", ".".join(["taps", *tokens[1:]]), f"tips.new.{subject}":
        assert types_on(other) == []


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


@pytest.mark.parametrize(
    ("pattern", "subject", "taken"),
    [
        ("tips.>", "tips.scored.ana", True),
        ("tips.>", "tips", False),
        (">", "a", True),
        ("tips.*.ana", "tips.scored.ana", True),
        ("tips.*.ana", "tips.a.b.ana", False),
        ("tips.*", "tips.scored.ana", False),
        ("tips.scored.ana", "tips.scored.ana", True),
        ("tips.scored.ana", "tips.scored.ben", False),
        ("tips.*.>", "tips.scored.ana", True),
        ("tips.*.>", "tips.scored", False),
    ],
)
def test_filters_take_subjects_as_nats_does(pattern: str, subject: str, taken: bool) -> None:
    assert matches(pattern, subject) is taken


tokens = st.sampled_from(["tips", "a", "b", "~YQ", "_", "-1"])
subject_texts = st.lists(tokens, min_size=1, max_size=4).map(".".join)
pattern_texts = st.builds(
    lambda start, end: ".".join([*start, *end]),
    st.lists(st.one_of(tokens, st.just("*")), min_size=0, max_size=4),
    st.sampled_from([[], [">"]]),
).filter(bool)


@given(st.sets(pattern_texts, min_size=1, max_size=20), st.sets(subject_texts, min_size=1, max_size=20))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_pattern_takes_what_a_nats_server_delivers_on_it(
    nats_server: NatsServer, patterns: set[str], sent: set[str]
) -> None:
    async def delivered() -> set[tuple[str, str]]:
        nc = await nats.connect(nats_server.url)
        try:
            subscriptions = {pattern: await nc.subscribe(pattern) for pattern in patterns}
            end = await nc.subscribe("the.end")
            for subject in [*sent, "the.end"]:
                await nc.publish(subject, b"")
            # A server delivers in order, but may answer a flush before it.
            await end.next_msg(timeout=10)
            found = set()
            for pattern, subscription in subscriptions.items():
                while subscription.pending_msgs:
                    found.add((pattern, (await subscription.next_msg()).subject))
            return {(pattern, subject) for pattern, subject in found if subject != "the.end"}
        finally:
            await nc.close()

    for pattern in patterns:
        check_pattern(pattern)
    taken = {(pattern, subject) for pattern in patterns for subject in sent if matches(pattern, subject)}
    assert asyncio.run(delivered()) == taken
