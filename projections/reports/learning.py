"""What has been learned: pulls of people, and rewards as they came, for one person and for all.

A pull is a decision that was learned from; a reset forgets a person's pulls, so that only those after it count.
"""

from projections.reports.report import Report
from projections.reports.window import DECISIONS, OURS_OR_THEIRS, STREAM_TIME, WINDOW, within

POINTS = 400
"""Points of a curve at most; a longer one is thinned, and its last point stays."""

PULLS = """
    WITH resets AS (
        SELECT json_extract_string(body, '$.user_id') AS user_id, max(seq) AS reset_seq
        FROM admin_actions WHERE starts_with(type, 'tipstream.bandit.reset.') GROUP BY ALL
    ), pulls AS (
        SELECT u.user_id, count(f.seq) AS pulls
        FROM (SELECT DISTINCT user_id FROM tip_scores WHERE NOT external) u
        LEFT JOIN resets USING (user_id)
        LEFT JOIN feedback f ON f.user_id = u.user_id AND f.effect = 'pull' AND f.seq > coalesce(reset_seq, 0)
        GROUP BY u.user_id
    )
"""

POPULATION = Report(
    name="population",
    sql=f"""
    {PULLS}
    SELECT count(*) AS people, coalesce(sum(pulls), 0)::BIGINT AS pulls, count(*) FILTER (pulls = 0) AS without_pulls,
           median(pulls) AS median_pulls, quantile_disc(pulls, 0.9) AS p90_pulls, max(pulls) AS most_pulls,
           (SELECT count(*) FROM resets) AS ever_reset
    FROM pulls
    """,
    order="people",
    comment="People who got a tip of ours, and their pulls since their last reset.",
)

PULLS_DISTRIBUTION = Report(
    name="pulls_distribution",
    sql=f"""
    {PULLS}, width AS (
        SELECT greatest(1, ceil((max(pulls) + 1) / 20))::BIGINT AS width, max(pulls) AS most FROM pulls
    ), steps AS (SELECT width, unnest(range(0, most + 1, width)) AS from_pulls FROM width)
    SELECT from_pulls, from_pulls + width - 1 AS to_pulls, count(pulls) AS people
    FROM steps LEFT JOIN pulls ON pulls // width * width = from_pulls GROUP BY ALL
    """,
    order="from_pulls",
    comment="How many people have how many pulls, in at most twenty steps of equal width, empty ones too.",
)

LEARNING_CURVE = Report(
    name="learning_curve",
    sql=f"""
    WITH numbered AS (
        SELECT policy, reward, row_number() OVER (PARTITION BY user_id ORDER BY seq) AS n
        FROM tip_scores
        WHERE NOT external AND reactions > 0 AND {within("occurred_at")}
    ), width AS (SELECT greatest(1, ceil(max(n) / 30))::BIGINT AS width FROM numbered)
    SELECT policy, (n - 1) // width * width + 1 AS from_reaction, (n - 1) // width * width + width AS to_reaction,
           count(*) AS reacted, avg(reward) AS reward_per_reaction, sqrt(var_samp(reward) / count(*)) AS stderr
    FROM numbered, width GROUP BY ALL
    """,
    order="policy, from_reaction",
    comment="Mean reward of a person's first, second, ... reacted decision of the window, by the policy that made it, "
    "in at most thirty steps.",
    parameters=WINDOW,
)

PERSON_CURVE = Report(
    name="person_curve",
    sql=f"""
    WITH numbered AS (
        SELECT seq, occurred_at, policy, reward, row_number() OVER (ORDER BY seq) AS n,
               sum(reward) OVER (ORDER BY seq) AS cumulative_reward, count(*) OVER () AS total
        FROM tip_scores WHERE user_id = $user_id AND reactions > 0
    )
    SELECT seq, occurred_at, n, policy, reward, cumulative_reward, cumulative_reward / n AS mean_so_far
    FROM numbered WHERE n % greatest(1, total // {POINTS}) = 0 OR n = total
    """,
    order="seq",
    comment="A person's reacted decisions in order, with the reward added up so far; what a reset forgot is in it too.",
    parameters={"user_id": str},
)

RANDOM_ESTIMATE = Report(
    name="random_estimate",
    sql=f"""
    WITH settled AS (
        SELECT coalesce(reward, 0.0) AS reward, 1.0 / (candidate_count * propensity) AS weight
        FROM tip_scores
        WHERE {within("occurred_at")} AND {OURS_OR_THEIRS} AND propensity > 0 AND candidate_count > 0
          AND (external OR recorded_at <= {STREAM_TIME} - INTERVAL 24 HOUR)
    ), estimate AS (
        SELECT count(*) AS decisions, avg(reward) AS reward_per_decision,
               sum(weight * reward) / sum(weight) AS estimate,
               pow(sum(weight), 2) / sum(pow(weight, 2)) AS effective_decisions
        FROM settled
    )
    SELECT any_value(estimate.decisions) AS decisions, any_value(effective_decisions) AS effective_decisions,
           any_value(reward_per_decision) AS reward_per_decision, any_value(estimate) AS estimate,
           sqrt(sum(pow(weight * (reward - estimate), 2))) / sum(weight) AS stderr
    FROM estimate LEFT JOIN settled ON true
    """,
    order="decisions",
    comment="What a random choice among the same candidates would have earned a decision: the self-normalised estimate "
    "from logged propensities, over decisions older than 24 h of stream time.",
    parameters=DECISIONS,
)

REPORTS = (POPULATION, PULLS_DISTRIBUTION, LEARNING_CURVE, PERSON_CURVE, RANDOM_ESTIMATE)
