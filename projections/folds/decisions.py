"""`tip_scores`, `candidate_lists`, `feature_history` and `shadow_scores`: what was decided, and on what grounds."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.envelope import Entry
from contracts.events.person import ShadowScored, TipScored
from projections.folds.attribution import Step
from projections.folds.changes import Change, Put
from projections.folds.tables import CANDIDATE_LISTS, FEATURE_HISTORY, SHADOW_SCORES, TIP_SCORES
from projections.folds.text import canonical_json

HISTORY_LENGTH = 100


@dataclass(slots=True)
class DecisionsState:
    """How many decisions each person has had; `feature_history` is a ring of the last 100 by that count."""

    counts: dict[str, int] = field(default_factory=dict)


def fold_decisions(state: DecisionsState, step: Step) -> Iterable[Change]:
    """Fold a step into `state`; the rows of a new decision or shadow decision."""
    if step.entry is None:
        return
    event = step.entry.event
    if isinstance(event, ShadowScored):
        yield _shadow(step.entry, event)
    elif isinstance(event, TipScored):
        tip_ids = event.candidate_ids()
        features = canonical_json(event.features)
        yield _tip_score(step.entry, event, tip_ids.index(event.tip_id), features)
        yield _candidates(step.seq, event, tip_ids)
        if not event.external:
            count = state.counts.get(event.user_id, 0)
            state.counts[event.user_id] = count + 1
            yield _history(step.seq, event, count % HISTORY_LENGTH, features)


def _tip_score(entry: Entry, event: TipScored, chosen: int, features: str) -> Put:
    values = (
        entry.seq, event.decision_id, event.user_id, event.tip_id, event.policy, event.policy_version,
        canonical_json(event.params), event.feature_set, event.model_version, event.kernel, event.state_version,
        event.catalog_seq, event.model_seq, canonical_json(event.context), features,
        event.x_digest, event.propensity, event.explored, event.missing, event.stale_sources, len(event.missing),
        len(event.features), len(event.candidates), _at(event.mean, chosen), _at(event.bonus, chosen),
        _at(event.score, chosen), event.latency_us, entry.occurred_us, entry.recorded_us, event.external,
        entry.event_id, None, None, None, None, 0,
    )  # fmt: skip
    return Put(TIP_SCORES, values)


def _at(values: list[float], index: int) -> float | None:
    return values[index] if values else None


def _candidates(seq: int, event: TipScored, tip_ids: list[str]) -> Put:
    lists = (tip_ids, event.mean, event.bonus, event.score, event.x)
    described = {one.tip_id: one.features for one in event.candidates if not isinstance(one, str)}
    text = canonical_json(described) if described else None
    return Put(CANDIDATE_LISTS, (seq, event.decision_id, event.user_id, *lists, text))


def _history(seq: int, event: TipScored, slot: int, features: str) -> Put:
    return Put(
        FEATURE_HISTORY,
        (
            event.user_id, slot, seq, event.decision_id, event.tip_id, event.feature_set,
            features, event.missing, event.stale_sources, event.occurred_at,
        ),
    )  # fmt: skip


def _shadow(entry: Entry, event: ShadowScored) -> Put:
    return Put(
        SHADOW_SCORES,
        (
            entry.seq, entry.event_id, event.decision_id, event.user_id, event.policy, event.policy_version,
            event.model_version, event.state_version, event.tip_id, event.score, event.propensity,
            event.chosen_propensity, event.agreed, event.latency_us, entry.occurred_us, entry.recorded_us,
        ),
    )  # fmt: skip
