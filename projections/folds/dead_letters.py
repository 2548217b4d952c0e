"""`dead_letters`: what could not count, why, and the raw bytes, until an admin puts it aside."""

from collections.abc import Iterable

from contracts.envelope import Malformed
from contracts.events.admin import DeadLetterSkipped
from contracts.events.registry import person_on
from contracts.reasons import DECISION_NEVER_CAME
from projections.folds.attribution import WAIT_WINDOW_US, Step
from projections.folds.changes import Change, Patch, Put
from projections.folds.tables import DEAD_LETTERS
from projections.folds.text import canonical_json


def fold_dead_letters(step: Step) -> Iterable[Change]:
    """The rows of a step's dead letters; keeps no state."""
    for dead in step.dead:
        # The end of its wait, not the event that happened to show it: somebody else's may be erased one day.
        waited = dead.reason == DECISION_NEVER_CAME
        yield _row(dead, dead.recorded_us + WAIT_WINDOW_US if waited else step.recorded_us)
    if step.entry is not None and isinstance(step.entry.event, DeadLetterSkipped):
        skipped = {"skipped_by": step.entry.actor, "skipped_at": step.entry.occurred_us}
        yield Patch(DEAD_LETTERS, (step.entry.event.seq,), skipped)


def _row(dead: Malformed, found_us: int) -> Put:
    raw = dead.raw
    headers = canonical_json({name: _text(value) for name, value in raw.headers.items()})
    return Put(
        DEAD_LETTERS,
        (
            dead.seq,
            _text(raw.subject),
            person_on(raw.subject),
            dead.reason,
            dead.detail,
            headers,
            raw.data,
            dead.recorded_us,
            found_us,
            None,
            None,
        ),
    )


def _text(value: str) -> str:
    """Text that any store can hold: a lone surrogate from a broken header becomes U+FFFD."""
    return value.encode("utf-8", "replace").decode()
