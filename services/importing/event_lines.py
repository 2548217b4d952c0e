"""Events from JSON lines: one CloudEvents 1.0 object a line (JSON format), each checked as the folds would check it.

A line needs `data` and either `subject` (tips.feedback.helpful.ana) or `type` (tipstream.feedback.received.v1) with the
ids in `data`; `id`, `source`, `time`, `specversion`, `datacontenttype` and `traceparent` are optional. Without an `id`
the line's SHA-256 is the event's, so that the same line never counts twice.
"""

import hashlib
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from contracts import headers
from contracts.envelope import Message
from contracts.events.base import Event
from contracts.events.person import FeedbackReceived
from contracts.events.registry import BY_TYPE, types_on
from contracts.headers import from_header, to_header
from contracts.subjects import BadId, BadSubject, build
from services.importing.dead_letters import fault
from services.importing.files import opened
from services.importing.survey import Survey, mark

SOURCE = "/tipstream/import/jsonl"
TEXTS = ("id", "source", "type", "subject", "time", "specversion", "datacontenttype", "traceparent")
ACTOR = "actor"
"""Who signed an event: an export says so of those that are refused for it."""
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that was not imported, counted from 1, and why."""

    line: int
    reason: str


class _Refused(Exception):
    """Why a line is no event."""


def read_events(path: Path, *, now_us: int) -> Iterator[Message | Refusal]:
    """Each line of a .jsonl[.gz] as a message or its refusal; `now_us` bounds the times it may claim."""
    for number, text in _texts(path):
        try:
            message = _message(text)
            if (why := fault(message, now_us)) is not None:
                raise _Refused(why)
            yield message
        except _Refused as refusal:
            yield Refusal(number, str(refusal))


def survey(path: Path) -> Survey:
    """Read a .jsonl[.gz] through once for what it may hold."""
    lines = 0
    marks: set[bytes] = set()
    for _, text in _texts(path):
        lines += 1
        with suppress(_Refused):
            message = _message(text)
            marks.add(mark(message.subject, from_header(message.headers[headers.CE_ID])))
    return Survey(lines, frozenset(marks))


def _texts(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers."""
    with opened(path) as lines:
        for number, line in enumerate(lines, 1):
            if text := (line.removeprefix(BOM_UTF8) if number == 1 else line).strip():
                yield number, text


def _message(text: bytes) -> Message:
    """The message of a line, whose body nobody has looked at yet."""
    line = _line(text)
    data = line["data"]
    if "subject" in line:
        subject, kind = line["subject"], _kind_on(line["subject"])
    elif "type" in line:
        kind = BY_TYPE.get(line["type"].rpartition(".v")[0])
        if kind is None:
            raise _Refused(f"type: {line['type']!r:.100} is no type of Tipstream; one is {FeedbackReceived.ce_type()}")
        subject = _subject_of(kind, data)
    else:
        raise _Refused("needs a subject (tips...) or a type")
    if kind is not None and kind.SIGNED:
        raise _Refused(f"{kind.TYPE} must be signed by this installation; use the admin routes for it")
    if ACTOR in line:
        raise _Refused(f"{ACTOR}: only a signed event has one")
    return Message(subject, _headers(line, text), orjson.dumps(data))


def _line(text: bytes) -> dict[str, Any]:
    try:
        line = orjson.loads(text)
    except ValueError as error:
        raise _Refused(f"not JSON: {error}") from None
    if not isinstance(line, dict) or not isinstance(line.get("data"), dict):
        raise _Refused("needs a JSON object whose data is an object")
    unknown = [name for name in line if name not in (*TEXTS, "data", ACTOR)]
    if unknown:
        raise _Refused(f"{', '.join(unknown)}: unknown beside data; there are {', '.join(TEXTS)}")
    for name in TEXTS:
        if name in line and not (isinstance(line[name], str) and line[name]):
            wanted = "an RFC 3339 timestamp such as 2026-01-31T08:30:00Z" if name == "time" else "text, and not empty"
            raise _Refused(f"{name}: must be {wanted}")
    if line.get("specversion", headers.SPECVERSION) != headers.SPECVERSION:
        raise _Refused(f"specversion: {line['specversion']} is unknown, this is {headers.SPECVERSION}")
    if line.get("datacontenttype", "application/json") != "application/json":
        raise _Refused("datacontenttype: must be application/json")
    return line


def _headers(line: dict[str, Any], text: bytes) -> dict[str, str]:
    said = line["data"].get("event_id")
    event_id = line.get("id") or (said if isinstance(said, str) and said else hashlib.sha256(text).hexdigest())
    try:
        fields = {
            headers.CE_ID: to_header(event_id),
            headers.CE_SOURCE: to_header(line.get("source", SOURCE)),
            headers.CE_SPECVERSION: headers.SPECVERSION,
        }
        for name, header in (
            ("type", headers.CE_TYPE),
            ("time", headers.CE_TIME),
            ("traceparent", headers.TRACEPARENT),
        ):
            if name in line:
                fields[header] = to_header(line[name])
    except UnicodeEncodeError:
        raise _Refused("id, source, type, time and traceparent must be valid Unicode text") from None
    return fields


def _kind_on(subject: str) -> type[Event] | None:
    try:
        kinds = [kind for kind, _ in types_on(subject)]
    except BadSubject as error:
        raise _Refused(f"subject: {error}") from None
    return kinds[0] if kinds else None


def _subject_of(kind: type[Event], data: dict[str, Any]) -> str:
    names = _PLACE.findall(kind.SUBJECT)
    absent = [name for name in names if not isinstance(data.get(name), str)]
    if absent:
        raise _Refused(f"data.{absent[0]}: is needed, or give the subject")
    try:
        return build(kind.SUBJECT, {name: data[name] for name in names})
    except BadId as error:
        raise _Refused(f"data: {error}") from None
