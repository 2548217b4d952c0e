"""What policies and priors in shadow would have done, beside what was done: agreement, estimated reward, time taken.

The estimate is self-normalised importance sampling (Swaminathan and Joachims, "The self-normalized estimator for
counterfactual learning", NeurIPS 2015): each decision weighs the shadow's propensity of what was shown over the
propensity that it was shown with.
"""

from projections.reports.report import Report
from projections.reports.window import WINDOW, Z, within


def _told(by: str, which: str) -> str:
    """The SELECT of one row a shadow: `by` are the columns that name it, `which` the condition on its rows."""
    weighed = f"""
        SELECT s.policy, s.policy_version, s.model_version, s.agreed, s.latency_us, s.occurred_at,
               coalesce(t.reward, 0.0) AS reward, s.chosen_propensity / t.propensity AS weight
        FROM shadow_scores s JOIN tip_scores t USING (decision_id) WHERE {which} AND {within("s.occurred_at")}
    """
    return f"""
    SELECT * EXCLUDE (snips), snips AS estimate, snips - {Z} * stderr AS ci_low, snips + {Z} * stderr AS ci_high FROM (
        SELECT {by}, count(*) AS decisions, count(DISTINCT w.occurred_at::DATE) AS days,
               min(w.occurred_at) AS first_at, max(w.occurred_at) AS last_at, avg(w.agreed::INTEGER) AS agreement,
               avg(w.latency_us) AS mean_latency_us, quantile_cont(w.latency_us, 0.99) AS p99_latency_us,
               avg(w.reward) AS shown_reward, any_value(m.snips) AS snips,
               sqrt(sum(pow(w.weight * (w.reward - m.snips), 2))) / nullif(sum(w.weight), 0) AS stderr,
               pow(sum(w.weight), 2) / nullif(sum(pow(w.weight, 2)), 0) AS effective
        FROM ({weighed}) w JOIN (
            SELECT {by}, sum(weight * reward) / nullif(sum(weight), 0) AS snips FROM ({weighed}) GROUP BY {by}
        ) m USING ({by})
        GROUP BY {by}
    )
    """


SHADOWS = Report(
    name="shadows",
    # What a policy did under a prior in shadow says nothing of how it does as it would stand.
    sql=_told("policy, policy_version", "s.model_version IS NULL"),
    order="policy, policy_version DESC",
    comment="Each policy that scored along, by the version that its parameters had: how often it agreed with what was "
    "shown, the reward it would have got (SNIPS, 95 % normal interval, effective sample size) and shown_reward.",
    parameters=WINDOW,
)

SHADOW_MODELS = Report(
    name="shadow_models",
    sql=_told("model_version", "s.model_version IS NOT NULL"),
    order="model_version",
    comment="Each model whose prior scored along: the same of the decisions made again under it by the policies that "
    "had made them.",
    parameters=WINDOW,
)

REPORTS = (SHADOWS, SHADOW_MODELS)
