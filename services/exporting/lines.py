"""An event as one CloudEvents 1.0 object a line (JSON format), as `tipstream import --format jsonl` reads it."""

from typing import Any

import orjson

from contracts.envelope import Entry
from contracts.headers import CE_SOURCE, CE_TYPE, SPECVERSION, TRACEPARENT, from_header, valid_traceparent
from contracts.times import format_time

UNNAMED = "/tipstream/export"
"""The source of an event whose producer named none, since CloudEvents asks for one."""

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


def event_line(entry: Entry) -> bytes:
    """The line of an event, its end included; `time` is the time that the folds see, `actor` stands on signed events.

    The body is written as it came, digit by digit: read and written anew, a number of thirty digits would be another.
    """
    line: dict[str, Any] = {
        "specversion": SPECVERSION,
        "id": entry.event_id,
        "source": source_of(entry) or UNNAMED,
        "type": type_of(entry),
        "subject": entry.raw.subject,
        "time": format_time(entry.occurred_us),
    }
    if (traceparent := valid_traceparent(entry.raw.headers.get(TRACEPARENT))) is not None:
        line["traceparent"] = traceparent
    if entry.actor is not None:
        line["actor"] = entry.actor
    # In valid JSON the end of a line stands between values only, never within one.
    line["data"] = orjson.Fragment(entry.raw.data.translate(_ONE_LINE))
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def source_of(entry: Entry) -> str | None:
    """What the producer calls itself, None when it does not."""
    named = entry.raw.headers.get(CE_SOURCE)
    return from_header(named) if named else None


def type_of(entry: Entry) -> str:
    """The type with the version that the body has, which may be an older one than the event's."""
    return entry.raw.headers.get(CE_TYPE) or entry.event.ce_type()
