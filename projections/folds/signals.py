"""`signals` and the online feature view `online_features`: a person's latest value of each signal."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.events.person import SignalObserved
from projections.folds.attribution import Step
from projections.folds.changes import Change, Put
from projections.folds.tables import ONLINE_FEATURES, SIGNALS
from projections.folds.text import canonical_json


@dataclass(slots=True)
class SignalsState:
    """When each person's signals were last observed (microseconds), by user id and signal name."""

    observed: dict[str, dict[str, int]] = field(default_factory=dict)


def fold_signals(state: SignalsState, step: Step) -> Iterable[Change]:
    """Fold a step into `state`; a value observed before the one that is held arrives late and does not replace it."""
    if step.entry is None or not isinstance(step.entry.event, SignalObserved):
        return
    entry, event = step.entry, step.entry.event
    yield Put(
        SIGNALS,
        (
            entry.seq, entry.event_id, event.user_id, event.source, canonical_json(event.values),
            entry.occurred_us, event.token_expires_at, entry.recorded_us,
        ),
    )  # fmt: skip
    theirs = state.observed.setdefault(event.user_id, {})
    for name, value in event.values.items():
        if entry.occurred_us >= theirs.get(name, entry.occurred_us):
            theirs[name] = entry.occurred_us
            row = (
                event.user_id,
                name,
                value,
                event.source,
                entry.occurred_us,
                event.token_expires_at,
                entry.seq,
            )
            yield Put(ONLINE_FEATURES, row)
