"""Every event type by name, and which types may stand on which subject."""

from contracts import subjects
from contracts.events import admin, catalog, person
from contracts.events.base import Event

EVENTS: tuple[type[Event], ...] = (
    person.FeedbackReceived,
    person.SignalObserved,
    person.TipScored,
    person.ShadowScored,
    catalog.TipPublished,
    catalog.TipRetired,
    admin.StreamStarted,
    admin.PolicyEnabled,
    admin.PolicyDisabled,
    admin.PolicyShadowed,
    admin.PolicyPromoted,
    admin.ExperimentStarted,
    admin.ExperimentStopped,
    admin.BanditReset,
    admin.ReplayRequested,
    admin.ReplayCompleted,
    admin.UserErasureRequested,
    admin.UserErased,
    admin.QuerySaved,
    admin.QueryDeleted,
    admin.SqlExecuted,
    admin.ModelShadowed,
    admin.ModelWithdrawn,
    admin.ModelPromoted,
    admin.DeadLetterSkipped,
)

BY_TYPE: dict[str, type[Event]] = {event.TYPE: event for event in EVENTS}


def _start(event: type[Event]) -> tuple[str, ...]:
    """The tokens of its pattern before the first id."""
    return tuple(event.SUBJECT.partition("{")[0].rstrip(".").split("."))


_BY_START: dict[tuple[str, ...], list[type[Event]]] = {
    start: [event for event in EVENTS if _start(event) == start] for start in map(_start, EVENTS)
}
"""Those of the admin area by four tokens, the others by two."""


def person_on(subject: str) -> str | None:
    """Whom a subject names, None when it names nobody or is none of Tipstream's."""
    try:
        found = [ids["user_id"] for _, ids in types_on(subject) if "user_id" in ids]
    except subjects.BadSubject:
        return None
    return found[0] if found else None


def types_on(subject: str) -> list[tuple[type[Event], dict[str, str]]]:
    """The event types whose pattern the subject has, each with the ids it holds.

    Raises BadSubject when an id in the subject is not encoded as `subjects.encode_id` does.
    """
    tokens = tuple(subject.split("."))
    options = _BY_START.get(tokens[:2]) or _BY_START.get(tokens[:4], [])
    return [(event, ids) for event in options if (ids := subjects.parse(event.SUBJECT, subject)) is not None]
