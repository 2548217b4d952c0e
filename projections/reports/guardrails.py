"""What a guardrail compares: how a policy's people reacted over a window, added up over people."""

from projections.reports.report import Report
from projections.reports.window import WINDOW, within

GUARDRAIL = Report(
    name="guardrail",
    sql=f"""
    SELECT policy, count(*) AS people, sum(decisions) AS decisions, sum(reward) AS reward, sum(negative) AS negative,
           sum(decisions * decisions) AS decisions_x_decisions, sum(decisions * reward) AS decisions_x_reward,
           sum(reward * reward) AS reward_x_reward, sum(decisions * negative) AS decisions_x_negative,
           sum(negative * negative) AS negative_x_negative
    FROM (
        SELECT policy, user_id, count(*)::DOUBLE AS decisions, coalesce(sum(reward), 0.0) AS reward,
               count(*) FILTER (verdict = 'not_helpful' OR outcome = 'dismissed')::DOUBLE AS negative
        FROM tip_scores WHERE NOT external AND policy = $policy AND {within("occurred_at")}
        GROUP BY policy, user_id
    ) GROUP BY policy
    """,
    order="policy",
    comment="Sums over the people of a policy and of the products of what is counted of a person: "
    "decisions, reward, and decisions with a negative reaction (not helpful, dismissed).",
    parameters={**WINDOW, "policy": str},
)

REPORTS = (GUARDRAIL,)
