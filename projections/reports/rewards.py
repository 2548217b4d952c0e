"""What people made of their tips over a window, by day, policy, tip and category.

Imported decisions are rows of their own (`external`), since somebody else's policy made them.
"""

from projections.reports.report import Report
from projections.reports.window import DECISIONS, INTERVAL, OURS_OR_THEIRS, REACTIONS, REWARD, YOUNG, within

OF_WINDOW = f"{within('occurred_at')} AND {OURS_OR_THEIRS}"

DAILY_REACTIONS = Report(
    name="daily_reactions",
    sql=f"SELECT occurred_at::DATE AS day, {REACTIONS} FROM tip_scores WHERE {OF_WINDOW} GROUP BY day",
    order="day",
    comment="Decisions of a day and what stands now of their reactions.",
    parameters=DECISIONS,
)

DAILY_REWARDS = Report(
    name="daily_rewards",
    sql=f"""
    SELECT *, {INTERVAL} FROM (
        SELECT occurred_at::DATE AS day, policy, external, {REACTIONS}, {REWARD}
        FROM tip_scores WHERE {OF_WINDOW} GROUP BY day, policy, external
    )
    """,
    order="day DESC, policy, external",
    comment="A day's decisions by policy, with the 95 % interval of reward_per_decision.",
    parameters=DECISIONS,
)

POLICIES_COMPARED = Report(
    name="policies_compared",
    sql=f"""
    SELECT *, {INTERVAL} FROM (
        SELECT policy, external, {REACTIONS}, {REWARD}, var_samp(coalesce(reward, 0.0)) AS variance,
               avg(explored::INTEGER) AS explored_share, avg(nullif(latency_us, 0)) AS mean_latency_us,
               avg({YOUNG}::INTEGER) AS young_share
        FROM tip_scores WHERE {OF_WINDOW} GROUP BY policy, external
    )
    """,
    order="external, policy",
    comment="Policies side by side over a window; young_share is the share of decisions younger than 24 h of stream "
    "time, whose reaction may still come (imported ones never are). A latency of 0 was not measured.",
    parameters=DECISIONS,
)

REWARDS_BY_TIP = Report(
    name="rewards_by_tip",
    sql=f"""
    SELECT tip_id, title, category, active, r.* EXCLUDE (tip_id), {INTERVAL} FROM (
        SELECT tip_id, external, {REACTIONS}, {REWARD} FROM tip_scores WHERE {OF_WINDOW} GROUP BY tip_id, external
    ) r LEFT JOIN tips USING (tip_id)
    """,
    order="external, decisions DESC, tip_id",
    comment="Tips by how often they were shown; title and category are NULL for tips that are not in the catalog.",
    parameters=DECISIONS,
)

REWARDS_BY_CATEGORY = Report(
    name="rewards_by_category",
    sql=f"""
    SELECT *, {INTERVAL} FROM (
        SELECT category, external, {REACTIONS}, {REWARD}
        FROM tip_scores LEFT JOIN tips USING (tip_id) WHERE {OF_WINDOW} GROUP BY category, external
    )
    """,
    order="external, decisions DESC, category",
    comment="Decisions by the category that their tip has now; NULL for tips that are not in the catalog.",
    parameters=DECISIONS,
)

REPORTS = (DAILY_REACTIONS, DAILY_REWARDS, POLICIES_COMPARED, REWARDS_BY_TIP, REWARDS_BY_CATEGORY)
