"""The views that analysts and the console read: what they are made of, their order, and what to know of them.

No reaction counts 0 in `reward_per_decision`; `reward_per_reaction` leaves such decisions out. Days are UTC days of
`occurred_at`. Stream time is when the last folded event was recorded.
"""

from dataclasses import dataclass

from ml.experiments.assignment import DOMAIN, POINTS
from projections.reports.quality import daily_quality
from projections.reports.window import YOUNG, Z

BEFORE_DAYS = 28
"""So long before its start an experiment looks for what people were like."""


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
    f"""
    SELECT seq, decision_id, user_id, tip_id, policy, policy_version, propensity, explored, score, occurred_at,
           occurred_at::DATE AS day, recorded_at, external, reactions > 0 AS reacted, verdict, outcome, reactions,
           reward, coalesce(reward, 0.0) AS reward_so_far, reacted_at,
           {YOUNG} AS young
    FROM tip_scores
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
               avg(explored::INTEGER) AS explored_share, avg(nullif(latency_us, 0)) AS mean_latency_us,
               avg(young::INTEGER) AS young_share
        FROM (
            SELECT policy, reward, coalesce(reward, 0.0) AS reward_so_far, reactions > 0 AS reacted, explored,
                   latency_us, {YOUNG} AS young
            FROM tip_scores
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
    "source is due from a signal's day to the last on which its token holds (without an expiry, to the log's end).",
)

EXPERIMENT_PEOPLE = View(
    "experiment_people",
    f"""
    WITH runs AS (
        SELECT experiment_id, salt, holdback, started_at, coalesce(stopped_at, 'infinity'::TIMESTAMP) AS until,
               list_transform(planned, lambda arm: arm.policy) AS policies,
               list_transform(range(1, len(planned) + 1), lambda last: list_reduce(
                   list_transform(planned[1:last], lambda arm: arm.weight), lambda sum, weight: sum + weight)) AS ends
        FROM (SELECT *, from_json(arms, '[{{"policy": "VARCHAR", "weight": "DOUBLE"}}]') AS planned FROM experiments)
    ), during AS (
        SELECT experiment_id, user_id, min(seq) AS first_seq, min(occurred_at) AS first_at,
               arg_min(policy, seq) AS received, count(*) AS decisions, count(*) FILTER (reactions > 0) AS reacted,
               coalesce(sum(reward), 0.0) AS reward_sum
        FROM runs JOIN tip_scores ON NOT external AND occurred_at >= started_at AND occurred_at < until
        GROUP BY experiment_id, user_id
    ), earlier AS (
        SELECT experiment_id, user_id, count(*) AS decisions_before, coalesce(sum(reward), 0.0) AS reward_before
        FROM runs JOIN tip_scores
          ON NOT external AND occurred_at < started_at AND occurred_at >= started_at - INTERVAL {BEFORE_DAYS} DAY
        GROUP BY experiment_id, user_id
    ), hashed AS (
        SELECT *, sha256(concat_ws(chr(31), '{DOMAIN}', salt, user_id)) AS hash
        FROM during JOIN runs USING (experiment_id)
    ), placed AS (
        SELECT *, (('0x' || hash[1:12])::BIGINT + 0.5::DOUBLE) / {POINTS}::DOUBLE AS held,
               (('0x' || hash[13:24])::BIGINT + 0.5::DOUBLE) / {POINTS}::DOUBLE * ends[-1] AS place
        FROM hashed
    )
    SELECT experiment_id, user_id,
           CASE WHEN held >= holdback THEN policies[len(list_filter(ends, lambda upto: upto <= place)) + 1] END AS arm,
           received, first_seq, first_at, decisions, reacted, reward_sum,
           reward_sum / decisions AS reward_per_decision,
           coalesce(decisions_before, 0) AS decisions_before, coalesce(reward_before, 0.0) AS reward_before
    FROM placed LEFT JOIN earlier USING (experiment_id, user_id)
    """,
    "experiment_id, user_id",
    "People who got a tip of ours while an experiment ran: their arm by its salted hash (NULL: held back), the policy "
    f"that made their first decision, and their rewards since the start and in the {BEFORE_DAYS} days before it.",
)

EXPERIMENT_COMPARE = View(
    "experiment_compare",
    """
    SELECT planned.experiment_id, planned.policy, count(user_id) AS people,
           coalesce(sum(decisions), 0)::BIGINT AS decisions, coalesce(sum(reacted), 0)::BIGINT AS reacted,
           coalesce(sum(reward_sum), 0.0) AS reward_sum, sum(reward_sum) / sum(decisions) AS reward_per_decision,
           sum(reward_sum) / nullif(sum(reacted), 0) AS reward_per_reaction
    FROM (SELECT experiment_id, unnest(from_json(arms, '[{"policy": "VARCHAR"}]')).policy AS policy FROM experiments)
        planned LEFT JOIN experiment_people p ON p.experiment_id = planned.experiment_id AND p.arm = planned.policy
    GROUP BY planned.experiment_id, planned.policy
    """,
    "experiment_id, policy",
    "Each arm of an experiment: the decisions of the people assigned to it, whoever made them, between start and stop.",
)

VIEWS: tuple[View, ...] = (
    CANDIDATES, REWARDS, REWARD_DAILY, POLICY_COMPARE, DATA_QUALITY_DAILY, EXPERIMENT_PEOPLE,
    EXPERIMENT_COMPARE,
)  # fmt: skip
VIEW_BY_NAME: dict[str, View] = {view.name: view for view in VIEWS}
