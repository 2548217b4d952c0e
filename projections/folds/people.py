"""`users`: who was seen in the stream, when, and how much they did."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.events.person import FeedbackReceived, SignalObserved, TipScored
from projections.folds.attribution import Step
from projections.folds.changes import Change, Put
from projections.folds.tables import USERS


@dataclass(slots=True)
class Activity:
    """One person's first and last recorded time (microseconds) and counts of events."""

    first_us: int
    last_us: int
    decisions: int = 0
    feedback: int = 0
    signals: int = 0


@dataclass(slots=True)
class PeopleState:
    """Everybody's activity by user id."""

    people: dict[str, Activity] = field(default_factory=dict)


def fold_people(state: PeopleState, step: Step) -> Iterable[Change]:
    """Fold a step into `state`; the row of the person it is about."""
    if step.entry is None:
        return
    event = step.entry.event
    if not isinstance(event, FeedbackReceived | SignalObserved | TipScored):
        return
    activity = state.people.setdefault(event.user_id, Activity(step.recorded_us, step.recorded_us))
    activity.last_us = step.recorded_us
    if isinstance(event, TipScored):
        activity.decisions += 1
    elif isinstance(event, FeedbackReceived):
        activity.feedback += 1
    else:
        activity.signals += 1
    counts = (activity.decisions, activity.feedback, activity.signals)
    yield Put(USERS, (event.user_id, activity.first_us, activity.last_us, *counts, step.seq))
