"""Event to message and back: what is missing is derived, what contradicts the subject or cannot be read is Malformed.

A bare JSON body from any language is enough: the id comes from `ce-id`, the body's `event_id`, `Nats-Msg-Id` or the
SHA-256 of `created:seq`; type and ids come from the subject; the time from the body, `ce-time` or the stream.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from contracts import headers, reasons
from contracts.envelope import Entry, Malformed, Message, Recorded
from contracts.errors import TipstreamError
from contracts.events.admin import StreamStarted
from contracts.events.base import Event, SignedEvent
from contracts.events.person import FeedbackReceived
from contracts.events.registry import BY_TYPE, types_on
from contracts.headers import from_header, to_header
from contracts.rewards import ACTIONS
from contracts.signing import NO_TRUST, Signer, Trust
from contracts.subjects import BadSubject
from contracts.times import format_time, in_range, parse_time
from contracts.upcasting import upcast

MAX_BODY_BYTES = 256 * 1024
_VERSIONED = re.compile(r"(.+)\.v([1-9]\d{0,3})\Z")


class _Refused(Exception):
    """Why a message is no event: (reason, detail)."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


class NotTipstream(TipstreamError):
    """The stream does not begin with a StreamStarted event, so nothing in it can be trusted; use another stream."""


def encode(
    event: Event, *, event_id: str, source: str, time_us: int | None = None, traceparent: str | None = None
) -> Message:
    """The message of an unsigned event; its id is also the Nats-Msg-Id, so publishing it again adds nothing."""
    return Message(event.subject(), _ce_headers(event, event_id, source, time_us, traceparent), event.to_json())


def encode_signed(
    event: SignedEvent, *, event_id: str, source: str, time_us: int, actor: str, signer: Signer
) -> Message:
    """The message of an admin or catalog event, signed in the actor's name; `time_us` is the signed time."""
    subject, data = event.subject(), event.to_json()
    fields = _ce_headers(event, event_id, source, time_us, None)
    fields |= {headers.ACTOR: to_header(actor), headers.KEY_ID: signer.key_id}
    fields[headers.SIGNATURE] = signer.sign(subject, fields, data)
    return Message(subject, fields, data)


def _ce_headers(
    event: Event, event_id: str, source: str, time_us: int | None, traceparent: str | None
) -> dict[str, str]:
    fields = {
        headers.CE_ID: to_header(event_id),
        headers.CE_TYPE: event.ce_type(),
        headers.CE_SOURCE: to_header(source),
        headers.CE_SPECVERSION: headers.SPECVERSION,
        headers.MSG_ID: to_header(event_id),
    }
    moment = event.happened_us() if time_us is None else time_us
    if moment is not None:
        fields[headers.CE_TIME] = format_time(moment)
    if traceparent is not None:
        fields[headers.TRACEPARENT] = traceparent
    return fields


def trust_of(first: Recorded | None) -> Trust:
    """The trust that a stream's first message establishes; NotTipstream when it is no valid StreamStarted."""
    try:
        if first is None:
            raise ValueError("the stream is empty")
        if first.seq > 1:
            raise ValueError(f"its events before {first.seq} were deleted; restore a backup into another one")
        if first.subject != StreamStarted.SUBJECT:
            raise ValueError(f"it begins with {first.subject}")
        body = orjson.loads(first.data)
        trust = Trust({body["key_id"]: base64.b64decode(body["public_key"], validate=True)})
        entry = Decoder("", trust).decode(first)
        if isinstance(entry, Malformed):
            raise ValueError(entry.detail)
        if not isinstance(entry.event, StreamStarted):
            raise ValueError(f"it begins with {first.subject}")
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise NotTipstream(f"the stream does not begin with a valid StreamStarted: {error}") from None
    return trust


@dataclass(frozen=True, slots=True)
class Decoder:
    """Reads one stream's messages; `created` is the stream's incarnation, `trust` the keys that may sign."""

    created: str
    trust: Trust

    def decode(self, recorded: Recorded) -> Entry | Malformed:
        """The event of a message, or why it is none; never raises for anything a producer can send."""
        try:
            return self._decode(recorded)
        except _Refused as refusal:
            return Malformed(recorded.seq, recorded.recorded_us, refusal.reason, refusal.detail, recorded)

    def _decode(self, recorded: Recorded) -> Entry:
        if len(recorded.data) > MAX_BODY_BYTES:
            raise _Refused(reasons.TOO_LARGE, f"{len(recorded.data)} bytes, at most {MAX_BODY_BYTES} are read")
        kind, version, ids = _kind(recorded)
        actor = self._actor(recorded) if kind.SIGNED else None
        event_id, event = self._event(recorded, kind, version, ids)
        occurred_us = _occurred(recorded, event)
        return Entry(recorded.seq, recorded.recorded_us, occurred_us, event_id, actor, event, recorded)

    def _event(self, recorded: Recorded, kind: type[Event], version: int, ids: dict[str, str]) -> tuple[str, Event]:
        body = _json_object(recorded.data)
        try:
            body = upcast(kind.TYPE, version, kind.VERSION, body)
        except LookupError as error:
            raise _Refused(reasons.UNKNOWN_TYPE, str(error.args[0])) from None
        for name, value in ids.items():
            if body.get(name) is None:
                body[name] = _typed(kind, name, value)
            elif str(body[name]) != value:
                raise _Refused(
                    reasons.CONTRADICTS_SUBJECT,
                    f"{name} is {body[name]!r:.100} in the body, {value!r:.100} in the subject",
                )
        if kind in _TIMED and body.get("occurred_at") is None:
            body["occurred_at"] = recorded.headers.get(headers.CE_TIME) or format_time(recorded.recorded_us)
        event_id = self._event_id(recorded, body, carries_id="event_id" in kind.model_fields)
        try:
            return event_id, kind.model_validate(body)
        except ValidationError as error:
            raise _Refused(reasons.INVALID_BODY, describe(error)) from None

    def _event_id(self, recorded: Recorded, body: dict[str, Any], *, carries_id: bool) -> str:
        # A header without text is a header left out: taken for an id, it would make every such event a repeat.
        header = recorded.headers.get(headers.CE_ID)
        said = body.get("event_id") if carries_id else None
        if header:
            event_id = from_header(header)
            if said is not None and said != event_id:
                raise _Refused(
                    reasons.CONTRADICTS_HEADER,
                    f"event_id is {said!r:.100} in the body, {event_id!r:.100} in ce-id",
                )
            return event_id
        if isinstance(said, str):
            return said
        message_id = recorded.headers.get(headers.MSG_ID)
        if message_id:
            return from_header(message_id)
        return hashlib.sha256(f"{self.created}:{recorded.seq}".encode()).hexdigest()

    def _actor(self, recorded: Recorded) -> str:
        if headers.SIGNATURE not in recorded.headers or headers.ACTOR not in recorded.headers:
            raise _Refused(reasons.UNSIGNED, "admin and catalog events need an actor and an Ed25519 signature")
        refusal = self.trust.refusal(recorded.subject, recorded.headers, recorded.data)
        if refusal is not None:
            raise _Refused(reasons.BAD_SIGNATURE, refusal)
        return from_header(recorded.headers[headers.ACTOR])


_TIMED = frozenset(
    kind
    for kind in BY_TYPE.values()
    if "occurred_at" in kind.model_fields and kind.model_fields["occurred_at"].is_required()
)
"""Events that are never without their time, which a producer may leave out all the same."""

UNSIGNED = Decoder("", NO_TRUST)
"""Reads, of no stream in particular, what nobody signs and what brings its own id."""


def _kind(recorded: Recorded) -> tuple[type[Event], int, dict[str, str]]:
    """The event type, its version and the ids of the subject."""
    try:
        options = types_on(recorded.subject)
    except BadSubject as error:
        raise _Refused(reasons.BAD_SUBJECT, str(error)) from None
    if not options:
        raise _Refused(reasons.BAD_SUBJECT, f"{recorded.subject[:200]!r} is no subject of Tipstream")
    named = recorded.headers.get(headers.CE_TYPE)
    if named is None:
        if len(options) > 1:
            raise _Refused(reasons.UNKNOWN_TYPE, "this subject holds several types: ce-type is needed")
        kind, ids = options[0]
        version = kind.VERSION
    else:
        match = _VERSIONED.match(named)
        wanted = BY_TYPE.get(match[1]) if match else None
        fitting = [(option, found) for option, found in options if option is wanted]
        if match is None or not fitting:
            raise _Refused(
                reasons.UNKNOWN_TYPE, f"ce-type {named[:100]!r} is not an event of {recorded.subject[:100]!r}"
            )
        (kind, ids), version = fitting[0], int(match[2])
    if kind is FeedbackReceived and ids["action"] not in ACTIONS:
        raise _Refused(reasons.UNKNOWN_ACTION, f"{ids['action'][:100]!r} is none of {', '.join(ACTIONS)}")
    return kind, version, ids


def _typed(kind: type[Event], name: str, value: str) -> str | int:
    is_number = kind.model_fields[name].annotation is int and value.isascii() and value.isdigit()
    return int(value) if is_number else value


def _json_object(data: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(data)
    except ValueError as error:
        raise _Refused(reasons.NOT_JSON, f"not JSON: {error}"[:300]) from None
    if not isinstance(body, dict):
        raise _Refused(reasons.NOT_JSON, f"a JSON object is needed, this is a {type(body).__name__}")
    return body


def _occurred(recorded: Recorded, event: Event) -> int:
    occurred_us = event.happened_us()
    if occurred_us is None and headers.CE_TIME in recorded.headers:
        try:
            occurred_us = parse_time(recorded.headers[headers.CE_TIME])
        except ValueError as error:
            raise _Refused(reasons.INVALID_BODY, f"ce-time {error}") from None
    if occurred_us is None:
        return recorded.recorded_us
    if not in_range(occurred_us, recorded.recorded_us):
        raise _Refused(
            reasons.TIME_OUT_OF_RANGE,
            f"{format_time(occurred_us)} is before 2000 or over 24 h ahead of {format_time(recorded.recorded_us)}",
        )
    return occurred_us


def describe(error: ValidationError) -> str:
    """A validation error as text that names each field: `values.steps: Input should be a finite number`."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in faults)[:2000]


def as_recorded(message: Message, seq: int, recorded_ns: int) -> Recorded:
    """What the stream would hold of a message it has not seen yet; for folds that run ahead of publishing."""
    return Recorded(seq, recorded_ns, message.subject, message.headers, message.data)
