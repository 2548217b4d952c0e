"""Moments: RFC 3339 text on the wire, integer microseconds since 1970 (UTC) everywhere else."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
EARLIEST_US = (datetime(2000, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
AHEAD_LIMIT_US = DAY_US
_LATEST_US = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_YEAR_1_US = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_YEAR_10000_US = _LATEST_US + DAY_US
_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?", re.ASCII | re.IGNORECASE)
_WANTED = "must be an RFC 3339 timestamp such as 2026-01-31T08:30:00Z"


def parse_time(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 timestamp (section 5.6); ValueError when it is none.

    A leap second is the first moment of the minute after it, as on POSIX clocks.
    """
    found = _RFC_3339.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(_WANTED)
    date_and_hour, seconds, fraction, offset = found.groups()
    if offset is None:
        raise ValueError("needs a UTC offset, such as Z or +01:00")
    leaps = seconds == "60" and date_and_hour.endswith("59")
    try:
        moment = datetime.fromisoformat(f"{date_and_hour}:{'59' if leaps else seconds}{fraction or ''}{offset}".upper())
        micros: int = (moment - _EPOCH) // _MICROSECOND + (SECOND_US if leaps else 0)
    except ValueError:
        raise ValueError(_WANTED) from None
    if not _YEAR_1_US <= micros < _YEAR_10000_US:
        raise ValueError("must lie within the years 1 to 9999 in UTC")
    return micros


def format_time(micros: int) -> str:
    """The RFC 3339 text (UTC, microseconds) of a moment."""
    return (_EPOCH + micros * _MICROSECOND).isoformat(timespec="microseconds").replace("+00:00", "Z")


def in_range(occurred_us: int, recorded_us: int) -> bool:
    """Whether a producer's time is believable: not before 2000, at most 24 h ahead of the stream."""
    return EARLIEST_US <= occurred_us <= recorded_us + AHEAD_LIMIT_US


def _moment(value: object) -> int:
    # Our own code hands in microseconds; a producer's epoch seconds or milliseconds fall below the bound and
    # are refused instead of being misread.
    if isinstance(value, int) and EARLIEST_US <= value <= _LATEST_US:
        return value
    if isinstance(value, str):
        return parse_time(value)
    raise ValueError(f"{_WANTED}, not before 2000")


Moment = Annotated[
    int,
    BeforeValidator(_moment),
    PlainSerializer(format_time, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A model field that reads RFC 3339 text and holds microseconds since 1970."""
