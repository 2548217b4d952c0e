"""All folds in their one order: attribution, learning, then the tables; the whole read side is this function.

`FOLD_VERSION` is raised whenever the same stream would give other rows or another state: checkpoints and snapshots
of an older version are set aside and folded again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.envelope import Entry, Malformed
from contracts.events.admin import UserErasureRequested
from projections.folds.administration import fold_administration
from projections.folds.attribution import AttributionState, Step, attribute, forget
from projections.folds.catalog import CatalogState, fold_catalog
from projections.folds.changes import Change, Erase
from projections.folds.dead_letters import fold_dead_letters
from projections.folds.decisions import DecisionsState, fold_decisions
from projections.folds.learning import LearningState, learn, stats_changes
from projections.folds.people import PeopleState, fold_people
from projections.folds.policies import PoliciesState, fold_policies
from projections.folds.reactions import fold_reactions
from projections.folds.signals import SignalsState, fold_signals
from projections.folds.tables import TABLES, Store

FOLD_VERSION = 8


@dataclass(slots=True)
class State:
    """Everything the folds carry from one event to the next; plain data, so a snapshot is its bytes."""

    seq: int = 0
    attribution: AttributionState = field(default_factory=AttributionState)
    learning: LearningState = field(default_factory=LearningState)
    decisions: DecisionsState = field(default_factory=DecisionsState)
    signals: SignalsState = field(default_factory=SignalsState)
    people: PeopleState = field(default_factory=PeopleState)
    catalog: CatalogState = field(default_factory=CatalogState)
    policies: PoliciesState = field(default_factory=PoliciesState)


def advance(state: State, item: Entry | Malformed) -> tuple[Step, list[Change]]:
    """Fold one message into what scoring needs: attribution, sums, catalog and policies.

    `state` is consumed. A message at or below `state.seq` has been folded already: its step is empty.
    """
    step, changes = _advance(state, item)
    return step, changes + _erase(state, step)


def _advance(state: State, item: Entry | Malformed) -> tuple[Step, list[Change]]:
    if item.seq <= state.seq:
        return Step(item.seq, item.recorded_us), []
    state.seq = item.seq
    step = attribute(state.attribution, item)
    changed = learn(state.learning, step, state.policies.gammas)
    changes = [
        *stats_changes(state.learning, changed),
        *fold_catalog(state.catalog, step),
        *fold_policies(state.policies, step),
    ]
    return step, changes


def fold(state: State, item: Entry | Malformed) -> tuple[Step, list[Change]]:
    """Fold one message into the whole `state` (which is consumed), with the changes of every table."""
    step, changes = _advance(state, item)
    changes += fold_decisions(state.decisions, step)
    changes += fold_reactions(step)
    changes += fold_signals(state.signals, step)
    changes += fold_people(state.people, step)
    changes += fold_administration(step)
    changes += fold_dead_letters(step)
    return step, changes + _erase(state, step)


def _erase(state: State, step: Step) -> list[Change]:
    """Un-learn whom a step erases and drop their rows: what is left is the fold of a log that never held them."""
    if step.entry is None or not isinstance(step.entry.event, UserErasureRequested):
        return []
    user_id = step.entry.event.user_id
    forget(state.attribution, user_id)
    for theirs in (state.learning.people, state.decisions.counts, state.signals.observed, state.people.people):
        theirs.pop(user_id, None)
    return [Erase(table, user_id) for table in TABLES if table.erased_by is not None]


def kept(changes: Iterable[Change], store: Store) -> list[Change]:
    """Those changes whose table a store keeps."""
    return [change for change in changes if store in change.table.stores]
