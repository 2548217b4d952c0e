"""One message of the stream as people see it: what it is, about whom, and in one line what it says."""

from dataclasses import dataclass
from functools import cached_property

from contracts.codec import Decoder
from contracts.envelope import Entry, Malformed, Recorded
from contracts.events.admin import (
    DeadLetterSkipped,
    ModelWithdrawn,
    PriorEvent,
    QuerySaved,
    ReplayCompleted,
    SqlExecuted,
)
from contracts.events.base import Event, SignedEvent
from contracts.events.catalog import TipPublished
from contracts.events.person import FeedbackReceived, ShadowScored, SignalObserved, TipScored
from contracts.events.registry import types_on
from contracts.subjects import BadSubject, matches
from contracts.times import format_time

LONGEST = 200


@dataclass(frozen=True, slots=True)
class EventRow:
    """A line of the tail; `kind` is the event's name, `malformed` why it is none (then `summary` says more)."""

    seq: int
    recorded_at: str
    subject: str
    kind: str
    user_id: str | None
    summary: str
    malformed: str | None


class Sighting:
    """A message that is decoded when it is first looked at, once for all who look."""

    def __init__(self, recorded: Recorded, decoder: Decoder) -> None:
        self.recorded = recorded
        self._decoder = decoder

    @cached_property
    def user_id(self) -> str | None:
        """The person in the subject, None when it names none, or none that can be read."""
        try:
            return next((ids["user_id"] for _, ids in types_on(self.recorded.subject) if "user_id" in ids), None)
        except BadSubject:
            return None

    @cached_property
    def item(self) -> Entry | Malformed:
        """The event, or why it is none."""
        return self._decoder.decode(self.recorded)

    @cached_property
    def row(self) -> EventRow:
        """The line to show."""
        item, recorded = self.item, self.recorded
        if isinstance(item, Malformed):
            kind, summary, malformed = "Malformed", item.detail, item.reason
        else:
            kind, summary, malformed = type(item.event).__name__, summary_of(item), None
        when = format_time(recorded.recorded_us)
        return EventRow(recorded.seq, when, recorded.subject, kind, self.user_id, _cut(summary), malformed)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which messages somebody watches: by subject pattern (NATS wildcards) and by person; None takes all."""

    subject: str | None = None
    user_id: str | None = None

    def takes(self, sighting: Sighting) -> bool:
        """Whether a message is wanted; nothing but its subject is read for that."""
        if self.subject is not None and not matches(self.subject, sighting.recorded.subject):
            return False
        return self.user_id is None or sighting.user_id == self.user_id


def summary_of(entry: Entry) -> str:
    """What an event says, in one line."""
    said = _said(entry.event)
    return said if entry.actor is None else f"{said} · by {entry.actor}" if said else f"by {entry.actor}"


def _said(event: Event) -> str:
    match event:
        case FeedbackReceived():
            on = event.tip_id or (f"decision {event.decision_id[:12]}" if event.decision_id else "the latest decision")
            return f"{event.action} on {on}"
        case SignalObserved():
            values = ", ".join(f"{name} {value:g}" for name, value in event.values.items())
            expiry = event.token_expires_at
            return f"{event.source}: {values}" + (f"; token until {format_time(expiry)[:16]}Z" if expiry else "")
        case TipScored():
            return _choice(event)
        case ShadowScored():
            verdict = "agreed" if event.agreed else "differed"
            prior = f" under {event.model_version}" if event.model_version else ""
            return f"{event.policy}{prior} would choose {event.tip_id}, {verdict}"
        case TipPublished():
            return f"{event.title} ({event.category}, effort {event.effort}, {event.minutes} min)"
        case ReplayCompleted():
            return f"{event.outcome}, {event.events:,} events" + (f": {event.detail}" if event.detail else "")
        case SqlExecuted():
            rows = f", {event.rows} rows" if event.rows is not None else ""
            return f"{event.outcome} in {event.duration_us / 1000:.0f} ms{rows}: {event.sql}"
        case QuerySaved():
            return f"{event.name}: {event.sql}"
        case PriorEvent() | ModelWithdrawn():
            return f"{event.model_version} for {event.feature_set}"
        case DeadLetterSkipped():
            return f"event {event.seq} put aside" + (f": {event.reason}" if event.reason else "")
        case _:
            return _fields(event)


def _choice(event: TipScored) -> str:
    at = event.candidate_ids().index(event.tip_id)
    parts = [f"{event.policy} chose {event.tip_id}"]
    if event.score:
        parts.append(f"score {event.score[at]:.3f}")
    parts.append(f"propensity {event.propensity:.3f} of {len(event.candidates)}")
    if event.explored:
        parts.append("explored")
    if event.missing:
        parts.append(f"{len(event.missing)} imputed")
    if event.stale_sources:
        parts.append(f"stale {', '.join(event.stale_sources)}")
    if event.external:
        parts.append("external")
    return ", ".join(parts)


def _fields(event: Event) -> str:
    """The plain fields of an event that has no words of its own, its reason last."""
    values = event.model_dump(exclude={"reason"}, exclude_none=True, exclude_defaults=True)
    said = [f"{name} {value}" for name, value in values.items() if isinstance(value, str | int | float)]
    if isinstance(event, SignedEvent) and event.reason:
        said.append(event.reason)
    return ", ".join(said)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
