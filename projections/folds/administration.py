"""`admin_actions`, `experiments`, `saved_queries`, `replays`: what admins did, and what of it still stands."""

from collections.abc import Iterable

from contracts.envelope import Entry
from contracts.events.admin import (
    ExperimentStarted,
    ExperimentStopped,
    QueryDeleted,
    QuerySaved,
    ReplayCompleted,
    ReplayRequested,
    UserErasureRequested,
)
from contracts.events.base import SignedEvent
from projections.folds.attribution import Step
from projections.folds.changes import Change, Drop, Patch, Put
from projections.folds.tables import ADMIN_ACTIONS, EXPERIMENTS, REPLAYS, SAVED_QUERIES
from projections.folds.text import canonical_json


def fold_administration(step: Step) -> Iterable[Change]:
    """The rows of a signed event; keeps no state. The request for an erasure leaves none: its receipt does."""
    if step.entry is None or not isinstance(step.entry.event, SignedEvent):
        return
    if isinstance(step.entry.event, UserErasureRequested):
        return
    entry, event = step.entry, step.entry.event
    yield _action(entry, event)
    if isinstance(event, ReplayRequested):
        yield _requested(entry, event)
    elif isinstance(event, ReplayCompleted):
        yield _completed(entry, event)
    elif isinstance(event, ExperimentStarted):
        arms = canonical_json([arm.model_dump() for arm in event.arms])
        row = (
            event.experiment_id,
            event.name,
            event.salt,
            arms,
            event.holdback,
            entry.occurred_us,
            None,
            entry.seq,
        )
        yield Put(EXPERIMENTS, row)
    elif isinstance(event, ExperimentStopped):
        yield Patch(EXPERIMENTS, (event.experiment_id,), {"stopped_at": entry.occurred_us, "seq": entry.seq})
    elif isinstance(event, QuerySaved):
        owner = event.owner or entry.actor
        yield Put(SAVED_QUERIES, (event.query_id, owner, event.name, event.sql, entry.occurred_us, entry.seq))
    elif isinstance(event, QueryDeleted):
        yield Drop(SAVED_QUERIES, (event.query_id,))


def _action(entry: Entry, event: SignedEvent) -> Put:
    body = canonical_json(event.model_dump(mode="json", exclude_none=True))
    return Put(
        ADMIN_ACTIONS,
        (
            entry.seq, entry.event_id, event.ce_type(), entry.actor, entry.raw.subject, event.person(), event.reason,
            body, entry.occurred_us, entry.recorded_us,
        ),
    )  # fmt: skip


def _requested(entry: Entry, event: ReplayRequested) -> Put:
    return Put(
        REPLAYS,
        (
            event.replay_id, event.mode, canonical_json(event.projections), event.user_id, event.upto_seq,
            event.upto_time, entry.actor, entry.occurred_us, entry.seq, None, None, None, None, None, None, None,
        ),
    )  # fmt: skip


def _completed(entry: Entry, event: ReplayCompleted) -> Patch:
    return Patch(
        REPLAYS,
        (event.replay_id,),
        {
            "outcome": event.outcome,
            "full": event.full,
            "events": event.events,
            "duration_us": event.duration_us,
            "results": canonical_json([result.model_dump(mode="json") for result in event.results]),
            "detail": event.detail,
            "completed_at": entry.occurred_us,
        },
    )
