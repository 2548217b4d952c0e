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


_BY_AREA: dict[str, tuple[type[Event], ...]] = {
    area: tuple(event for event in EVENTS if event.SUBJECT.split(".")[1] == area)
    for area in {event.SUBJECT.split(".")[1] for event in EVENTS}
}


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
    prefix, _, rest = subject.partition(".")
    if prefix != subjects.PREFIX:
        return []
    parsed = ((event, subjects.parse(event.SUBJECT, subject)) for event in _BY_AREA.get(rest.partition(".")[0], ()))
    return [(event, ids) for event, ids in parsed if ids is not None]
