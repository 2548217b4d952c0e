"""`feedback`, and the reward columns of `tip_scores`: what people did with what they were shown."""

from collections.abc import Iterable

from projections.folds.attribution import Feedback, Join, Step
from projections.folds.changes import Change, Drop, Patch, Put
from projections.folds.tables import FEEDBACK, TIP_SCORES


def fold_reactions(step: Step) -> Iterable[Change]:
    """The rows of a step's feedback; run after `learn`, which says what each join did to the sums."""
    if step.waiting is not None:
        yield _row(step.waiting, step.waiting.decision_id, status="waiting")
    if step.unattributed is not None:
        yield _row(step.unattributed, None, status="unattributed")
    for feedback in step.given_up:
        yield Drop(FEEDBACK, (feedback.seq,))
    for join in step.joins:
        yield _joined(join)
        if join.status != "unattributed":
            yield _rewarded(join)


def _row(
    feedback: Feedback,
    decision_id: str | None,
    *,
    status: str,
    effect: str = "none",
    delta: float | None = None,
) -> Put:
    return Put(
        FEEDBACK,
        (
            feedback.seq, feedback.event_id, feedback.user_id, feedback.action, decision_id, feedback.tip_id,
            status, effect, delta, feedback.occurred_us, feedback.recorded_us,
        ),
    )  # fmt: skip


def _joined(join: Join) -> Put:
    return _row(join.feedback, join.decision.decision_id, status=join.status, effect=join.effect, delta=join.delta)


def _rewarded(join: Join) -> Patch:
    decision = join.decision
    return Patch(
        TIP_SCORES,
        (decision.seq,),
        {
            "verdict": decision.verdict,
            "outcome": decision.outcome,
            "reward": decision.reward,
            "reacted_at": join.feedback.occurred_us,
            "reactions": len(decision.reactions),
        },
    )
