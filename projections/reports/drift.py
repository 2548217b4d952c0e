"""Has what decisions are made from changed since a reference? The population stability index, by feature and signal.

PSI = sum (q - p) ln(q / p) over bins, p and q the shares of a bin in the reference and in the window: the symmetric
divergence of Jeffreys. Bins are the reference's deciles, equal ones made one; half a value is added to each bin. The
bands below 0.1, up to 0.25 and above are Lewis's ("An Introduction to Credit Scoring", 1994). They ask for large
samples: with B bins and no change PSI is about (1/n + 1/m) times chi-squared with B - 1 degrees of freedom (Yurdakul
and Naranjo, "Statistical properties of the population stability index", Journal of Risk Model Validation, 2020), whose
mean stands beside it as `by_chance`; where chance alone makes as much as the first band, the band is `unclear`.

At twenty thousand decisions a side chance makes 0.001 with ten bins, so of more than that every second, third, ... is
taken, by a hash of its id: the same ones each time.
"""

from projections.reports.report import Report
from projections.reports.window import STREAM_TIME, WINDOW, within

MODERATE, SIGNIFICANT = 0.1, 0.25
MOST = 20_000

_WINDOW = f"({within('occurred_at')})"
_REFERENCE = """
    CASE WHEN $first_seq IS NULL AND $last_seq IS NULL
        THEN occurred_at >= since - (until - since) AND occurred_at < since
        ELSE ($first_seq IS NULL OR seq >= $first_seq) AND ($last_seq IS NULL OR seq <= $last_seq) END
"""

DRIFT = Report(
    name="drift",
    sql=f"""
    WITH ends AS (
        SELECT $since::TIMESTAMP AS since, coalesce($until::TIMESTAMP, {STREAM_TIME}) AS until
    ), one_in AS (
        SELECT count(*) FILTER ({_WINDOW}) // {MOST} + 1 AS windowed,
               count(*) FILTER ({_REFERENCE}) // {MOST} + 1 AS referred
        FROM tip_scores, ends WHERE NOT external
    ), decisions AS (
        SELECT false AS reference, feature_set, features, context
        FROM tip_scores, one_in WHERE NOT external AND {_WINDOW} AND hash(decision_id) % windowed = 0
        UNION ALL
        SELECT true, feature_set, features, context
        FROM tip_scores, ends, one_in WHERE NOT external AND {_REFERENCE} AND hash(decision_id) % referred = 0
    ), seen AS (
        SELECT reference, feature_set, 'feature' AS kind, one.key AS name, one.value AS value FROM (
            SELECT *, unnest(map_entries(from_json(features, '"MAP(VARCHAR, DOUBLE)"'))) AS one FROM decisions
        ) WHERE one.value IS NOT NULL
        UNION ALL
        SELECT reference, feature_set, 'signal', one.key, one.value.value FROM (
            SELECT *, unnest(map_entries(
                from_json(context->'signals', '"MAP(VARCHAR, STRUCT(value DOUBLE))"')
            )) AS one FROM decisions
        ) WHERE one.value.value IS NOT NULL
    ), scales AS (
        SELECT kind, feature_set, name, list_sort(list_distinct(
            quantile_disc(value, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
        )) AS edges
        FROM seen WHERE reference GROUP BY ALL
    ), binned AS (
        SELECT kind, feature_set, name, len(list_filter(edges, lambda edge: edge < value)) AS bin,
               count(*) FILTER (reference) AS before, count(*) FILTER (NOT reference) AS now,
               sum(value) FILTER (reference) AS before_sum, sum(value) FILTER (NOT reference) AS now_sum
        FROM seen JOIN scales USING (kind, feature_set, name) GROUP BY ALL
    ), shares AS (
        SELECT *, count(*) OVER named AS bins, sum(before) OVER named AS n, sum(now) OVER named AS m,
               (before + 0.5) / (n + 0.5 * bins) AS p, (now + 0.5) / (m + 0.5 * bins) AS q
        FROM binned WINDOW named AS (PARTITION BY kind, feature_set, name)
    )
    SELECT kind, feature_set, name, psi, by_chance, CASE
               WHEN by_chance >= {MODERATE} THEN 'unclear' WHEN psi < {MODERATE} THEN 'stable'
               WHEN psi <= {SIGNIFICANT} THEN 'moderate' ELSE 'significant'
           END AS band, bins, reference_values, window_values, reference_mean, window_mean
    FROM (
        SELECT kind, feature_set, name, sum((q - p) * ln(q / p)) AS psi, any_value(bins) AS bins,
               (any_value(bins) - 1) * (1 / any_value(n) + 1 / any_value(m)) AS by_chance,
               any_value(n)::BIGINT AS reference_values, any_value(m)::BIGINT AS window_values,
               sum(before_sum) / any_value(n) AS reference_mean, sum(now_sum) / any_value(m) AS window_mean
        FROM shares WHERE n > 0 AND m > 0 GROUP BY ALL
    )
    """,
    order="psi DESC, kind, feature_set, name",
    comment="How far the features of chosen tips, and the signals that decisions were made with, have moved from a "
    "reference: the decisions from first_seq to last_seq (a model's training window), or the window of the same length "
    "just before; of at most 20,000 decisions a side. Features also move when the policy chooses otherwise; signals do "
    "not.",
    parameters={**WINDOW, "first_seq": int, "last_seq": int},
)

REPORTS = (DRIFT,)
