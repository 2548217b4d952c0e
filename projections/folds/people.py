"""`users`: who was seen in the stream, when, and how much they did."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.events.person import FeedbackReceived, SignalObserved, TipScored
from projections.folds.attribution import Step
from projections.folds.changes import Change, Put
from projections.folds.tables import USERS


@dataclass(slots=True)
class Activity:
    """One person's first and last recorded time (microseconds), last sequence and counts of events that count."""

    first_us: int
    last_us: int
    last_seq: int
    decisions: int = 0
    feedback: int = 0
    signals: int = 0


@dataclass(slots=True)
class PeopleState:
    """Everybody's activity by user id."""

    people: dict[str, Activity] = field(default_factory=dict)


def fold_people(state: PeopleState, step: Step) -> Iterable[Change]:
    """Fold a step into `state`; the rows of those it is about, also of those whose feedback waited in vain."""
    for feedback in step.given_up:
        state.people[feedback.user_id].feedback -= 1
        yield _row(feedback.user_id, state.people[feedback.user_id])
    if step.entry is None:
        return
    event = step.entry.event
    if not isinstance(event, FeedbackReceived | SignalObserved | TipScored):
        return
    activity = state.people.get(event.user_id)
    if activity is None:
        activity = state.people[event.user_id] = Activity(step.recorded_us, step.recorded_us, step.seq)
    activity.last_us, activity.last_seq = step.recorded_us, step.seq
    if isinstance(event, TipScored):
        activity.decisions += 1
    elif isinstance(event, FeedbackReceived):
        activity.feedback += 1
    else:
        activity.signals += 1
    yield _row(event.user_id, activity)


def _row(user_id: str, activity: Activity) -> Put:
    counts = (activity.decisions, activity.feedback, activity.signals)
    return Put(USERS, (user_id, activity.first_us, activity.last_us, *counts, activity.last_seq))
