"""The views that analysts and the console read: what they are made of, their order, and what to know of them.

No reaction counts 0 in `reward_per_decision`; `reward_per_reaction` leaves such decisions out. Days are UTC days of
`occurred_at`. Stream time is when the last folded event was recorded.
"""

from dataclasses import dataclass

from projections.reports.quality import daily_quality
from projections.reports.window import Z


@dataclass(frozen=True, slots=True)
class View:
    """A view's name, its SELECT, the order in which the console shows it, and the comment that stands with it."""

    name: str
    sql: str
    order: str
    comment: str


CANDIDATES = View(
    "candidates",
    """
    SELECT seq, l.decision_id, l.user_id, position, l.tip_id, l.mean, l.bonus, l.score, l.tip_id = t.tip_id AS chosen
    FROM (
        SELECT seq, decision_id, user_id, unnest(range(1, len(tip_ids) + 1)) AS position, unnest(tip_ids) AS tip_id,
               unnest(means) AS mean, unnest(bonuses) AS bonus, unnest(scores) AS score
        FROM candidate_lists
    ) l JOIN tip_scores t USING (seq)
    """,
    "seq DESC, position",
    "One row a candidate of each decision; position counts from 1, scores of external decisions are NULL.",
)

REWARDS = View(
    "rewards",
    """
    SELECT seq, decision_id, user_id, tip_id, policy, policy_version, propensity, explored, score, occurred_at,
           occurred_at::DATE AS day, recorded_at, external, reactions > 0 AS reacted, verdict, outcome, reactions,
           reward, coalesce(reward, 0.0) AS reward_so_far, reacted_at,
           NOT external AND recorded_at > stream_time - INTERVAL 24 HOUR AS young
    FROM tip_scores, (SELECT make_timestamp(max(recorded_ns) // 1000) AS stream_time FROM checkpoints)
    """,
    "seq DESC",
    "Each decision with what came of it; reward is NULL until a reaction, reward_so_far then 0.",
)

REWARD_DAILY = View(
    "reward_daily",
    """
    SELECT occurred_at::DATE AS day, policy, count(*) AS decisions,
           count(*) FILTER (reactions > 0) AS reacted,
           count(*) FILTER (verdict = 'helpful') AS helpful,
           count(*) FILTER (verdict = 'not_helpful') AS not_helpful,
           count(*) FILTER (outcome = 'done') AS done,
           count(*) FILTER (outcome = 'snoozed') AS snoozed,
           count(*) FILTER (outcome = 'dismissed') AS dismissed,
           coalesce(sum(reward), 0.0) AS reward_sum,
           coalesce(sum(reward), 0.0) / count(*) AS reward_per_decision,
           sum(reward) / nullif(count(*) FILTER (reactions > 0), 0) AS reward_per_reaction
    FROM tip_scores GROUP BY ALL
    """,
    "day DESC, policy",
    "A day's decisions by policy; the actions counted are those that stand now.",
)

POLICY_COMPARE = View(
    "policy_compare",
    f"""
    SELECT *, reward_per_decision - {Z} * stderr AS ci_low, reward_per_decision + {Z} * stderr AS ci_high
    FROM (
        SELECT policy, count(*) AS decisions, count(*) FILTER (reacted) AS reacted,
               sum(reward_so_far) AS reward_sum, avg(reward_so_far) AS reward_per_decision,
               sum(reward) / nullif(count(*) FILTER (reacted), 0) AS reward_per_reaction,
               var_samp(reward_so_far) AS variance, sqrt(var_samp(reward_so_far) / count(*)) AS stderr,
               avg(explored::INTEGER) AS explored_share, avg(latency_us) AS mean_latency_us,
               avg(young::INTEGER) AS young_share
        FROM (
            SELECT policy, reward, coalesce(reward, 0.0) AS reward_so_far, reactions > 0 AS reacted, explored,
                   latency_us, NOT external AND recorded_at > stream_time - INTERVAL 24 HOUR AS young
            FROM tip_scores, (SELECT make_timestamp(max(recorded_ns) // 1000) AS stream_time FROM checkpoints)
        )
        GROUP BY policy
    )
    """,
    "policy",
    "Policies side by side: 95 % normal interval of reward_per_decision; young_share is the share of decisions "
    "younger than 24 h of stream time, whose reaction may still come (external ones never are).",
)

DATA_QUALITY_DAILY = View(
    "data_quality_daily",
    daily_quality(),
    "day DESC",
    "External decisions have no features of ours: they count in decisions and feedback_completeness only. A person's "
    "source is expected each day from a signal until the day its token expires (without an expiry, to the log's end).",
)

EXPERIMENT_COMPARE = View(
    "experiment_compare",
    """
    SELECT experiment_id, arm AS policy, count(DISTINCT user_id) AS people, count(d.seq) AS decisions,
           count(*) FILTER (reactions > 0) AS reacted, coalesce(sum(reward), 0.0) AS reward_sum,
           coalesce(sum(reward), 0.0) / nullif(count(d.seq), 0) AS reward_per_decision,
           sum(reward) / nullif(count(*) FILTER (reactions > 0), 0) AS reward_per_reaction
    FROM (
        SELECT experiment_id, started_at, coalesce(stopped_at, 'infinity'::TIMESTAMP) AS until,
               unnest(from_json(arms, '[{"policy": "VARCHAR"}]')).policy AS arm
        FROM experiments
    ) LEFT JOIN tip_scores d ON d.policy = arm AND occurred_at >= started_at AND occurred_at < until
    GROUP BY experiment_id, arm
    """,
    "experiment_id, policy",
    "Each arm of an experiment: its policy's decisions between start and stop.",
)

VIEWS: tuple[View, ...] = (CANDIDATES, REWARDS, REWARD_DAILY, POLICY_COMPARE, DATA_QUALITY_DAILY, EXPERIMENT_COMPARE)
VIEW_BY_NAME: dict[str, View] = {view.name: view for view in VIEWS}
