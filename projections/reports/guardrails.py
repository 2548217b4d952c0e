"""What a guardrail compares: how a policy's people reacted, added up over people."""

from collections.abc import Iterable
from datetime import datetime

from contracts.rewards import OUTCOMES, VERDICTS
from projections.reports.report import Report
from projections.reports.window import WINDOW, within

DAYS_BEFORE = 30
"""How far back the policy before is looked at when it no longer decides."""


def _sums(decisions: str) -> str:
    """Sums over the people of decisions (policy, user_id, reward, negative), one row of these each."""
    return f"""
    SELECT policy, count(*) AS people, sum(decisions) AS decisions, sum(reward) AS reward, sum(negative) AS negative,
           sum(decisions * decisions) AS decisions_x_decisions, sum(decisions * reward) AS decisions_x_reward,
           sum(reward * reward) AS reward_x_reward, sum(decisions * negative) AS decisions_x_negative,
           sum(negative * negative) AS negative_x_negative
    FROM (
        SELECT policy, user_id, count(*)::DOUBLE AS decisions, coalesce(sum(reward), 0.0) AS reward,
               count(*) FILTER (negative)::DOUBLE AS negative
        FROM ({decisions}) GROUP BY policy, user_id
    ) GROUP BY policy
    """


_SUMMED = (
    "Sums over the people of a policy and of the products of what is counted of a person: "
    "decisions, reward, and decisions with a negative reaction (not helpful, dismissed)."
)

GUARDRAIL = Report(
    name="guardrail",
    sql=_sums(f"""
        SELECT policy, user_id, reward, verdict = 'not_helpful' OR outcome = 'dismissed' AS negative
        FROM tip_scores WHERE NOT external AND policy = $policy AND {within("occurred_at")}
    """),
    order="policy",
    comment=_SUMMED,
    parameters={**WINDOW, "policy": str},
)


def _last(actions: Iterable[str]) -> str:
    named = ", ".join(f"'{action}'" for action in actions)
    return f"arg_max(action, seq) FILTER (action IN ({named}))"


# A decision is `seen` by the end of its slice; slices are as long as it is since the climb, counted back from there.
GUARDRAIL_BEFORE = Report(
    name="guardrail_before",
    sql=_sums(f"""
        WITH climb AS (
            SELECT $climbed::TIMESTAMP AS climbed,
                   greatest(epoch(make_timestamp(max(recorded_ns) // 1000) - $climbed::TIMESTAMP), 1) AS seconds
            FROM checkpoints
        ),
        made AS (
            SELECT policy, user_id, decision_id,
                   climbed - to_seconds(floor(epoch(climbed - occurred_at) / seconds) * seconds) AS seen
            FROM tip_scores, climb
            WHERE NOT external AND policy = $policy
              AND occurred_at < climbed AND occurred_at >= climbed - INTERVAL {DAYS_BEFORE} DAY
        )
        SELECT policy, made.user_id, sum(reward_delta) AS reward,
               {_last(VERDICTS)} = 'not_helpful' OR {_last(OUTCOMES)} = 'dismissed' AS negative
        FROM made LEFT JOIN feedback
          ON feedback.decision_id = made.decision_id AND status NOT IN ('waiting', 'unattributed')
         AND feedback.occurred_at < seen
        GROUP BY policy, made.user_id, made.decision_id
    """),
    order="policy",
    comment=f"{_SUMMED} Of the {DAYS_BEFORE} days before another policy climbed, in slices as long as it is since, "
    "each as it stood at its end: people had as much time to react as to what the other one chose.",
    parameters={"policy": str, "climbed": datetime},
)

REPORTS = (GUARDRAIL, GUARDRAIL_BEFORE)
