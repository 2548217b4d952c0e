"""What caused an event and what it caused, as far as the read model knows: each link is an event in the stream."""

from typing import Any

from pydantic import BaseModel

from contracts.envelope import Entry, Malformed
from contracts.events.admin import DeadLetterSkipped, ReplayCompleted
from contracts.events.person import FeedbackReceived, ShadowScored, TipScored
from contracts.times import parse_time
from projections.queries import ReadModel, ReadModelMissing


class Link(BaseModel):
    """An event at `seq` and how it is related: `decision`, `feedback`, `signal`, `tip`, `request`, `dead letter`."""

    relation: str
    seq: int
    label: str
    decision_id: str | None = None


def links_of(model: ReadModel, item: Entry | Malformed) -> list[Link]:
    """The events that belong to this one; none for a malformed event, or while there is no read model."""
    try:
        return _links(model, item) if isinstance(item, Entry) else []
    except ReadModelMissing:
        return []


def _links(model: ReadModel, entry: Entry) -> list[Link]:
    match entry.event:
        case FeedbackReceived() as feedback:
            row = model.feedback(entry.seq)
            return _decision(model, row["decision_id"] if row else feedback.decision_id)
        case ShadowScored() as shadow:
            return _decision(model, shadow.decision_id)
        case TipScored() as decision:
            return [*_reactions(model, decision), *_signals(model, decision), *_tip(model, decision.tip_id)]
        case ReplayCompleted() as completed:
            replay = model.replay(completed.replay_id)
            return [Link(relation="request", seq=replay["requested_seq"], label=replay["mode"])] if replay else []
        case DeadLetterSkipped() as skipped:
            return [Link(relation="dead letter", seq=skipped.seq, label="what was put aside")]
        case _:
            return []


def _decision(model: ReadModel, decision_id: str | None) -> list[Link]:
    row = model.decision(decision_id) if decision_id is not None else None
    if row is None:
        return []
    label = f"{row['policy']} chose {row['tip_id']}"
    return [Link(relation="decision", seq=row["seq"], label=label, decision_id=row["decision_id"])]


def _reactions(model: ReadModel, decision: TipScored) -> list[Link]:
    return [
        Link(relation="feedback", seq=row["seq"], label=f"{row['action']}, {row['status']} ({row['effect']})")
        for row in model.feedback_of(decision.decision_id)
    ]


def _signals(model: ReadModel, decision: TipScored) -> list[Link]:
    """The signals that the context was made of, where they are still the latest of their name."""
    read: dict[str, Any] = decision.context.get("signals") or {}
    found: dict[int, list[str]] = {}
    for row in model.online_features(decision.user_id):
        if _observed(read.get(row["name"])) == (row["source"], row["observed_at"]):
            found.setdefault(row["seq"], []).append(row["name"])
    return [Link(relation="signal", seq=seq, label=", ".join(names)) for seq, names in sorted(found.items())]


def _observed(signal: Any) -> tuple[str, int] | None:
    # A context may come from any caller and hold anything.
    try:
        return signal["source"], parse_time(signal["observed_at"])
    except (TypeError, KeyError, ValueError):
        return None


def _tip(model: ReadModel, tip_id: str) -> list[Link]:
    row = model.tip(tip_id)
    return [Link(relation="tip", seq=row["seq"], label=row["title"])] if row else []
