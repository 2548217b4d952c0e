"""The decision log as it is searched: decisions by person, tip, policy, time and reaction, and their shadow choices."""

from datetime import datetime

from projections.reports.report import Report

DECISION_LOG = Report(
    name="decision_log",
    sql="""
    SELECT seq, decision_id, user_id, tip_id, policy, policy_version, mean, bonus, score, propensity, explored,
           external, imputed, feature_count, candidate_count, latency_us, occurred_at, recorded_at, verdict, outcome,
           reward, reacted_at, reactions
    FROM tip_scores
    WHERE ($before IS NULL OR seq < $before) AND ($user_id IS NULL OR user_id = $user_id)
      AND ($tip_id IS NULL OR tip_id = $tip_id) AND ($policy IS NULL OR policy = $policy)
      AND ($since IS NULL OR occurred_at >= $since) AND ($until IS NULL OR occurred_at < $until)
      AND ($reacted IS NULL OR (reactions > 0) = $reacted)
    """,
    order="seq DESC",
    comment="Decisions older than `before` in the stream, the latest first, by whatever of them is asked for.",
    parameters={
        "before": int, "user_id": str, "tip_id": str, "policy": str, "since": datetime, "until": datetime,
        "reacted": bool,
    },
)  # fmt: skip

SHADOW_CHOICES = Report(
    name="shadow_choices",
    sql="""
    SELECT seq, policy, policy_version, model_version, state_version, tip_id, score, propensity, chosen_propensity,
           agreed, latency_us, occurred_at
    FROM shadow_scores WHERE decision_id = $decision_id
    """,
    order="seq",
    comment="What each policy in shadow would have chosen for one decision, and its own policy under the prior in "
    "shadow (model_version).",
    parameters={"decision_id": str},
)

REPORTS = (DECISION_LOG, SHADOW_CHOICES)
