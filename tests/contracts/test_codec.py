"""What a producer may leave out, what is refused and why, and that nothing a producer sends can raise."""

import hashlib
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import reasons
from contracts.codec import MAX_BODY_BYTES, Decoder, NotTipstream, encode, encode_signed, trust_of
from contracts.envelope import Entry, Malformed, Message, Recorded
from contracts.events.admin import BanditReset, ModelPromoted, ModelShadowed, PriorEvent
from contracts.events.person import FeedbackReceived, ShadowScored, SignalObserved, TipScored
from contracts.signing import NO_TRUST, Signer, Trust
from contracts.times import format_time, parse_time
from contracts.upcasting import upcast

NOW_US = parse_time("2026-03-01T08:00:00Z")
SIGNER = Signer(b"k" * 32)
DECODER = Decoder("2026-01-01T00:00:00Z", Trust({SIGNER.key_id: SIGNER.public_key}))


def read(subject: str, body: Any = b"{}", headers: dict[str, str] | None = None) -> Entry | Malformed:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return DECODER.decode(Recorded(7, NOW_US * 1000, subject, headers or {}, data))


def reread(message: Message) -> Entry | Malformed:
    return DECODER.decode(Recorded(7, NOW_US * 1000, message.subject, message.headers, message.data))


def refusal(subject: str, body: Any = b"{}", headers: dict[str, str] | None = None) -> tuple[str, str]:
    item = read(subject, body, headers)
    assert isinstance(item, Malformed), item
    return item.reason, item.detail


def test_an_empty_body_is_enough() -> None:
    entry = read("tips.feedback.helpful.ann")
    assert isinstance(entry, Entry)
    assert isinstance(entry.event, FeedbackReceived)
    assert (entry.event.user_id, entry.event.action) == ("ann", "helpful")
    assert entry.event_id == hashlib.sha256(b"2026-01-01T00:00:00Z:7").hexdigest()
    assert entry.occurred_us == entry.recorded_us == NOW_US


@pytest.mark.parametrize(
    ("headers", "body", "event_id"),
    [
        ({"Nats-Msg-Id": "m"}, {}, "m"),
        ({"Nats-Msg-Id": "m"}, {"event_id": "b"}, "b"),
        ({"Nats-Msg-Id": "m", "ce-id": "c%20%C3%A9"}, {}, "c é"),
        ({"ce-id": "b"}, {"event_id": "b"}, "b"),
    ],
)
def test_the_event_id_is_taken_from_what_says_it(headers: dict[str, str], body: dict[str, str], event_id: str) -> None:
    entry = read("tips.feedback.helpful.ann", body, headers)
    assert isinstance(entry, Entry)
    assert entry.event_id == event_id


@pytest.mark.parametrize(
    ("headers", "text"),
    [({}, "2026-03-01T08:00:00Z"), ({"ce-time": "2026-02-27T07:00:00+02:00"}, "2026-02-27T05:00:00Z")],
)
def test_a_decision_without_its_time_has_the_header_s_else_the_stream_s(headers: dict[str, str], text: str) -> None:
    body = {
        "decision_id": "d", "policy": "theirs", "feature_set": "theirs", "context": {}, "candidates": ["a", "b"],
        "tip_id": "a", "propensity": 0.5, "external": True,
    }  # fmt: skip
    entry = read("tips.scored.ann", body, headers)
    assert isinstance(entry, Entry), entry
    assert isinstance(entry.event, TipScored)
    assert entry.occurred_us == entry.event.occurred_at == parse_time(text)


def test_a_decision_whose_header_has_no_time_is_refused() -> None:
    found = read("tips.scored.ann", {"decision_id": "d"}, {"ce-time": "today"})
    assert isinstance(found, Malformed)
    assert "occurred_at: Value error, must be an RFC 3339" in found.detail


def test_the_time_is_the_body_s_else_the_header_s() -> None:
    said, header = "2026-02-28T07:00:00Z", {"ce-time": "2026-02-27T07:00:00+02:00"}
    both = read("tips.feedback.done.ann", {"occurred_at": said}, header)
    only_header = read("tips.feedback.done.ann", {}, header)
    assert isinstance(both, Entry)
    assert isinstance(only_header, Entry)
    assert both.occurred_us == parse_time(said)
    assert only_header.occurred_us == parse_time("2026-02-27T05:00:00Z")


@pytest.mark.parametrize(
    ("subject", "body", "headers", "reason", "said"),
    [
        ("tips.feedback.helpful.ann", b"not json", {}, reasons.NOT_JSON, "not JSON"),
        ("tips.feedback.helpful.ann", b"", {}, reasons.NOT_JSON, "not JSON"),
        ("tips.feedback.helpful.ann", b"[1]", {}, reasons.NOT_JSON, "list"),
        ("tips.feedback.helpful.ann", b"[" * 100_000, {}, reasons.NOT_JSON, "not JSON"),
        ("tips.feedback.helpful.ann", b'{"tip_id":"\\ud800"}', {}, reasons.NOT_JSON, "not JSON"),
        ("tips.signal.steps.ann", b'{"values":{"steps":NaN}}', {}, reasons.NOT_JSON, "not JSON"),
        ("tips.signal.steps.ann", b'{"values":{"steps":1e999}}', {}, reasons.NOT_JSON, ""),
        ("tips.feedback.helpful.ann", b" " * (MAX_BODY_BYTES + 1), {}, reasons.TOO_LARGE, "262144"),
        ("tips.feedback.liked.ann", {}, {}, reasons.UNKNOWN_ACTION, "liked"),
        ("tips.feedback.helpful.ann", {"action": "done"}, {}, reasons.CONTRADICTS_SUBJECT, "action"),
        ("tips.feedback.helpful.ann", {"user_id": "bob"}, {}, reasons.CONTRADICTS_SUBJECT, "user_id"),
        ("tips.feedback.helpful.ann", {"event_id": "a"}, {"ce-id": "b"}, reasons.CONTRADICTS_HEADER, "event_id"),
        ("tips.feedback.helpful.ann", {"decision_id": 5}, {}, reasons.INVALID_BODY, "decision_id"),
        ("tips.feedback.helpful.ann", {"decision_id": ""}, {}, reasons.INVALID_BODY, "decision_id"),
        ("tips.feedback.helpful.ann", {"decison_id": "d"}, {}, reasons.INVALID_BODY, "decison_id"),
        ("tips.feedback.helpful.ann", {"event_id": ["x"]}, {}, reasons.INVALID_BODY, "event_id"),
        ("tips.feedback.helpful.ann", {"occurred_at": 1700000000}, {}, reasons.INVALID_BODY, "occurred_at"),
        ("tips.feedback.helpful.ann", {"occurred_at": "yesterday"}, {}, reasons.INVALID_BODY, "RFC 3339"),
        ("tips.feedback.helpful.ann", {"occurred_at": "2026-01-01T00:00:00"}, {}, reasons.INVALID_BODY, "offset"),
        ("tips.feedback.helpful.ann", {"occurred_at": "1970-01-01T00:00:00Z"}, {}, reasons.TIME_OUT_OF_RANGE, "1970"),
        ("tips.feedback.helpful.ann", {"occurred_at": "2100-01-01T00:00:00Z"}, {}, reasons.TIME_OUT_OF_RANGE, "2100"),
        ("tips.feedback.helpful.ann", {}, {"ce-time": "2100-01-01T00:00:00Z"}, reasons.TIME_OUT_OF_RANGE, "2100"),
        ("tips.feedback.helpful.ann", {}, {"ce-time": "soon"}, reasons.INVALID_BODY, "ce-time"),
        ("tips.signal.steps.ann", {}, {}, reasons.INVALID_BODY, "values"),
        ("tips.signal.steps.ann", {"values": {}}, {}, reasons.INVALID_BODY, "values"),
        ("tips.signal.steps.ann", {"values": {"steps": "1"}}, {}, reasons.INVALID_BODY, "values.steps"),
        ("tips.signal.steps.ann", {"values": {"steps": True}}, {}, reasons.INVALID_BODY, "values.steps"),
        ("tips.signal.steps.ann", {"source": "sleep", "values": {"a": 1}}, {}, reasons.CONTRADICTS_SUBJECT, "source"),
        ("tips.feedback.helpful.*", {}, {}, reasons.BAD_SUBJECT, "encoded"),
        ("tips.feedback.helpful.>", {}, {}, reasons.BAD_SUBJECT, "encoded"),
        ("tips.feedback.helpful", {}, {}, reasons.BAD_SUBJECT, "no subject"),
        ("tips.feedback.helpful.a.b", {}, {}, reasons.BAD_SUBJECT, "no subject"),
        ("tips.weather.x", {}, {}, reasons.BAD_SUBJECT, "no subject"),
        ("tips.scored.ann", {}, {}, reasons.INVALID_BODY, "decision_id"),
        ("tips.scored.ann", {}, {"ce-type": "nonsense"}, reasons.UNKNOWN_TYPE, "nonsense"),
        ("tips.scored.ann", {}, {"ce-type": "tipstream.signal.observed.v1"}, reasons.UNKNOWN_TYPE, "signal"),
        ("tips.scored.ann", {}, {"ce-type": "tipstream.tip.scored.v2"}, reasons.UNKNOWN_TYPE, "newer"),
        ("tips.catalog.t", {}, {}, reasons.UNKNOWN_TYPE, "ce-type"),
        ("tips.admin.bandit.reset.ann", {}, {}, reasons.UNSIGNED, "signature"),
    ],
)
def test_bad_input_is_refused_with_its_reason(
    subject: str, body: Any, headers: dict[str, str], reason: str, said: str
) -> None:
    found, detail = refusal(subject, body, headers)
    assert found == reason, detail
    assert said in detail
    assert found in reasons.REASONS


def signed(**change: Any) -> Message:
    given: dict[str, Any] = {"event_id": "e", "source": "/t", "time_us": NOW_US, "actor": "ada é", "signer": SIGNER}
    return encode_signed(BanditReset(user_id="ann"), **(given | change))


def test_a_signed_event_counts_in_its_actor_s_name() -> None:
    entry = reread(signed())
    assert isinstance(entry, Entry)
    assert entry.actor == "ada é"


@pytest.mark.parametrize(
    "forge",
    [
        lambda m: Message("tips.admin.bandit.reset.bob", m.headers, m.data),
        lambda m: Message(m.subject, m.headers, b'{"user_id":"ann","reason":"x"}'),
        lambda m: Message(m.subject, {**m.headers, "tipstream-actor": "eve"}, m.data),
        lambda m: Message(m.subject, {**m.headers, "ce-id": "other"}, m.data),
        lambda m: Message(m.subject, {**m.headers, "ce-time": format_time(NOW_US - 1)}, m.data),
        lambda m: Message(m.subject, {**m.headers, "tipstream-signature": "AAAA"}, m.data),
        lambda m: Message(m.subject, {**m.headers, "tipstream-signature": "\u00e9"}, m.data),
        lambda m: Message(m.subject, {**m.headers, "tipstream-key": "0" * 16}, m.data),
    ],
)
def test_a_forged_admin_event_is_refused(forge: Any) -> None:
    item = reread(forge(signed()))
    assert isinstance(item, Malformed)
    assert item.reason == reasons.BAD_SIGNATURE


def test_another_key_s_signature_is_refused() -> None:
    item = reread(signed(signer=Signer(b"x" * 32)))
    assert isinstance(item, Malformed)
    assert item.reason == reasons.BAD_SIGNATURE


def test_a_stream_that_does_not_begin_with_streamstarted_is_not_trusted() -> None:
    with pytest.raises(NotTipstream):
        trust_of(None)
    with pytest.raises(NotTipstream, match=r"it begins with tips\.feedback\.helpful\.ann"):
        trust_of(Recorded(1, NOW_US * 1000, "tips.feedback.helpful.ann", {}, b"{}"))
    with pytest.raises(NotTipstream, match="its events before 37 were deleted; restore a backup"):
        trust_of(Recorded(37, NOW_US * 1000, "tips.feedback.helpful.ann", {}, b"{}"))
    message = signed()
    with pytest.raises(NotTipstream):
        trust_of(Recorded(1, NOW_US * 1000, message.subject, message.headers, message.data))


def test_what_is_encoded_decodes_to_the_same_event() -> None:
    event = SignalObserved(user_id="Zoë 🌱", source="steps", values={"steps": 12.5}, observed_at=NOW_US)
    entry = reread(encode(event, event_id="é%", source="/phone app"))
    assert isinstance(entry, Entry)
    assert entry.event == event
    assert entry.event_id == "é%"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tip_id": "other"}, "tip_id"),
        ({"candidates": ["a", "a"], "mean": [0, 0], "bonus": [0, 0], "score": [0, 0]}, "repeat"),
        ({"mean": []}, "mean"),
        ({"score": [1.0, 2.0]}, "score"),
        ({"propensity": 0}, "propensity"),
        ({"propensity": 1.5}, "propensity"),
        ({"x": []}, "x and x_digest"),
        ({"candidates": []}, "candidates"),
        ({"state_version": -1}, "state_version"),
    ],
)
def test_a_decision_that_cannot_be_recomputed_is_refused(change: dict[str, Any], said: str) -> None:
    body: dict[str, Any] = {
        "decision_id": "d", "policy": "linucb", "feature_set": "wellbeing.v1", "context": {}, "candidates": ["a"],
        "mean": [0], "bonus": [0], "score": [0], "x_digest": "0" * 64, "tip_id": "a", "x": [0] * 16,
        "propensity": 1, "occurred_at": "2026-03-01T08:00:00Z",
    }  # fmt: skip
    entry = read("tips.scored.ann", body)
    assert isinstance(entry, Entry)
    assert isinstance(entry.event, TipScored)
    reason, detail = refusal("tips.scored.ann", body | change)
    assert reason == reasons.INVALID_BODY
    assert said in detail


subjects = st.sampled_from(["tips.feedback.helpful.ann", "tips.signal.steps.ann", "tips.scored.ann", "tips.catalog.t"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
fields = st.sampled_from(
    ["user_id", "action", "decision_id", "values", "event_id", "occurred_at", "tip_id", "x", "seq"]
)


bodies = st.binary(max_size=60) | st.dictionaries(fields, json_values, max_size=5).filter(lambda value: _dumps(value))
odd_headers = st.dictionaries(
    st.sampled_from(["ce-id", "ce-type", "ce-time", "tipstream-signature", "tipstream-actor"]), st.text(max_size=30)
)


@given(subjects | st.text(max_size=40), bodies, odd_headers)
def test_nothing_a_producer_sends_can_raise(
    subject: str, body: bytes | dict[str, Any], headers: dict[str, str]
) -> None:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    item = DECODER.decode(Recorded(3, NOW_US * 1000, subject, headers, data))
    assert item.seq == 3
    if isinstance(item, Malformed):
        assert item.reason in reasons.REASONS


def _dumps(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def test_an_old_version_is_lifted_step_by_step() -> None:
    steps = {("t", 1): lambda body: {**body, "two": 2}, ("t", 2): lambda body: {**body, "three": 3}}
    assert upcast("t", 1, 3, {"one": 1}, steps) == {"one": 1, "two": 2, "three": 3}
    assert upcast("t", 3, 3, {"one": 1}, steps) == {"one": 1}
    with pytest.raises(LookupError):
        upcast("t", 4, 3, {}, steps)
    with pytest.raises(LookupError):
        upcast("u", 1, 2, {}, steps)


def test_without_trust_no_signature_holds() -> None:
    message = signed()
    item = Decoder("", NO_TRUST).decode(Recorded(1, NOW_US * 1000, message.subject, message.headers, message.data))
    assert isinstance(item, Malformed)


@pytest.mark.parametrize("event", [ModelPromoted, ModelShadowed])
def test_a_prior_of_another_size_than_its_feature_set_is_refused(event: type[PriorEvent]) -> None:
    with pytest.raises(ValueError, match="16 features"):
        event(model_version="m", feature_set="wellbeing.v1", a0=[[1.0]], b0=[0.0])


def prior(**changed: float) -> list[list[float]]:
    """The identity with some entries changed: `r2c5` is row 2, column 5."""
    rows = [[float(row == column) for column in range(16)] for row in range(16)]
    for place, value in changed.items():
        row, _, column = place.removeprefix("r").partition("c")
        rows[int(row)][int(column)] = value
    return rows


@pytest.mark.parametrize("event", [ModelPromoted, ModelShadowed])
@pytest.mark.parametrize(
    "a0",
    [
        prior(r0c0=0.0), prior(r15c15=-1.0), prior(r3c3=-1e-300), prior(r2c5=0.5), prior(r2c5=1.5, r5c2=1.5),
        prior(r2c5=1e15, r5c2=1e15), prior(r9c1=1e-3), prior(r7c7=1e-10),
    ],
)  # fmt: skip
def test_a_prior_that_no_score_can_be_made_from_is_refused(event: type[PriorEvent], a0: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="symmetric and positive definite"):
        event(model_version="m", feature_set="wellbeing.v1", a0=a0, b0=[0.0] * 16)


def test_a_prior_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match="beyond 1e"):
        ModelPromoted(model_version="m", feature_set="wellbeing.v1", a0=prior(r0c0=1e16), b0=[0.0] * 16)


@given(st.lists(st.lists(st.floats(-3, 3), min_size=16, max_size=16), max_size=20))
def test_what_decisions_add_to_the_identity_is_a_prior(xs: list[list[float]]) -> None:
    a0 = np.eye(16) + sum(np.multiply.outer(x, x) for x in map(np.array, xs))
    ModelPromoted(model_version="m", feature_set="wellbeing.v1", a0=a0.tolist(), b0=[0.0] * 16)


@pytest.mark.parametrize("model_version", [None, "prior/1"])
def test_a_shadow_says_under_which_prior_only_when_that_one_is_in_shadow(model_version: str | None) -> None:
    shadow = ShadowScored(
        decision_id="d", user_id="ann", policy="linucb", model_version=model_version, state_version=0, tip_id="rest",
        score=0.5, propensity=1.0, agreed=True, chosen_propensity=1.0, occurred_at=NOW_US,
    )  # fmt: skip
    message = encode(shadow, event_id="s", source="/test")
    assert ("model_version" in orjson.loads(message.data)) == (model_version is not None)
    entry = reread(message)
    assert isinstance(entry, Entry)
    assert entry.event == shadow
