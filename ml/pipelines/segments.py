"""The groups that a model must treat alike: people little is known of, moments with absent sources, a declared segment.

A label reads `dimension: group`. All of it stands in the decision itself, so training and evaluating sort alike.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from contracts.errors import TipstreamError
from contracts.times import SECOND_US

COLD_BELOW = 5
"""A person is cold until their state has changed so often."""

NOON_H, EVENING_H = 12, 17


class Decided(Protocol):
    """What sorts a decision, as it was logged or made again; `occurred_at` in microseconds since 1970."""

    @property
    def occurred_at(self) -> int: ...
    @property
    def state_version(self) -> int: ...
    @property
    def missing(self) -> list[str]: ...
    @property
    def stale_sources(self) -> list[str]: ...


class UnknownSegment(TipstreamError):
    """No segment of that name can be declared; the message lists those that can."""


def _day(event: Decided) -> str:
    return "weekend" if _moment(event).weekday() >= 5 else "weekday"


def _hours(event: Decided) -> str:
    hour = _moment(event).hour
    return "morning" if hour < NOON_H else "afternoon" if hour < EVENING_H else "evening"


SEGMENTS: Mapping[str, Callable[[Decided], str]] = {"day": _day, "hours": _hours}
"""Segments that can be declared, by UTC."""


def check_segment(segment: str) -> None:
    """Raises UnknownSegment."""
    if segment not in SEGMENTS:
        raise UnknownSegment(f"segment {segment!r:.80} is unknown; there are {', '.join(SEGMENTS)}")


def labels_of(event: Decided, segment: str) -> tuple[str, ...]:
    """A decision's group in each of the three dimensions."""
    absent = bool(event.missing or event.stale_sources)
    return (
        f"people: {'cold' if event.state_version < COLD_BELOW else 'warm'}",
        f"sources: {'some absent' if absent else 'all fresh'}",
        f"{segment}: {SEGMENTS[segment](event)}",
    )


def _moment(event: Decided) -> datetime:
    return datetime.fromtimestamp(event.occurred_at / SECOND_US, UTC)
