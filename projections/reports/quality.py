"""How good the data is: features that had to be imputed, tokens that had expired, what was expected and came.

Imported decisions have no features of ours: they count in completeness of feedback only.
"""

from projections.reports.report import Report
from projections.reports.window import STREAM_TIME, WINDOW, within

MISSING_BY_FEATURE = Report(
    name="missing_by_feature",
    sql=f"""
    WITH own AS (
        SELECT occurred_at::DATE AS day, feature_set, missing
        FROM tip_scores WHERE NOT external AND {within("occurred_at")}
    ), shown AS (SELECT day, feature_set, count(*) AS decisions FROM own GROUP BY ALL), counted AS (
        SELECT day, feature_set, feature, count(*) AS imputed
        FROM (SELECT day, feature_set, unnest(missing) AS feature FROM own) GROUP BY ALL
    ), ever AS (SELECT DISTINCT feature_set, feature FROM counted)
    SELECT day, feature_set, feature, coalesce(imputed, 0) AS imputed, decisions,
           coalesce(imputed, 0) / decisions AS missing_rate
    FROM shown JOIN ever USING (feature_set) LEFT JOIN counted USING (day, feature_set, feature)
    """,
    order="day, feature_set, feature",
    comment="In how many of a day's decisions a feature was imputed; features that never were in the window have no "
    "rows.",
    parameters=WINDOW,
)

STALE_BY_SOURCE = Report(
    name="stale_by_source",
    sql=f"""
    WITH own AS (
        SELECT occurred_at::DATE AS day, stale_sources
        FROM tip_scores WHERE NOT external AND {within("occurred_at")}
    ), shown AS (SELECT day, count(*) AS decisions FROM own GROUP BY ALL), counted AS (
        SELECT day, source, count(*) AS stale
        FROM (SELECT day, unnest(stale_sources) AS source FROM own) GROUP BY ALL
    ), ever AS (SELECT DISTINCT source FROM counted)
    SELECT day, source, coalesce(stale, 0) AS stale, decisions, coalesce(stale, 0) / decisions AS stale_rate
    FROM shown CROSS JOIN ever LEFT JOIN counted USING (day, source)
    """,
    order="day, source",
    comment="In how many of a day's decisions a source's token had expired; sources whose never had in the window have "
    "no rows.",
    parameters=WINDOW,
)


def daily_quality(*, signals: str = "true", decisions: str = "true") -> str:
    """The SELECT of the view `data_quality_daily`; conditions may leave out rows that no asked-for day needs.

    A person's source is expected on the union of the spans from a signal's day to its token's last, but not on days
    that the stream has not reached. Spans that overlap are cut where the next begins, so that each expected day is
    counted once: +1 where a piece begins, -1 past its end.
    """
    return f"""
    WITH log AS (
        SELECT least(max(day), {STREAM_TIME}::DATE) AS last_day
        FROM (
            SELECT max(observed_at)::DATE AS day FROM signals
            UNION ALL SELECT max(occurred_at)::DATE FROM tip_scores
            UNION ALL SELECT max(occurred_at)::DATE FROM feedback
        )
    ), spans AS (
        SELECT user_id, source, observed_at::DATE AS first_day, max(least(
            coalesce((token_expires_at - INTERVAL 1 MICROSECOND)::DATE, last_day), last_day
        )) AS last_day
        FROM signals, log WHERE {signals} GROUP BY ALL
    ), pieces AS (
        SELECT first_day, least(max(last_day) OVER known, lead(first_day) OVER known - 1) AS last_day
        FROM spans WINDOW known AS (PARTITION BY user_id, source ORDER BY first_day)
    ), changes AS (
        SELECT first_day AS day, 1 AS change, 1 AS reported FROM pieces WHERE last_day >= first_day
        UNION ALL SELECT last_day + 1, -1, 0 FROM pieces WHERE last_day >= first_day
    ), changed AS (
        SELECT day, sum(change) AS change, sum(reported) AS reported FROM changes GROUP BY day
    ), every_day AS (
        SELECT unnest(generate_series(min(day), max(day), INTERVAL 1 DAY))::DATE AS day FROM changed
    ), source_days AS (
        SELECT day, sum(coalesce(change, 0)) OVER (ORDER BY day)::BIGINT AS expected_source_days,
               coalesce(reported, 0)::BIGINT AS reported_source_days
        FROM every_day LEFT JOIN changed USING (day) QUALIFY expected_source_days > 0
    ), decision_days AS (
        SELECT occurred_at::DATE AS day, count(*) AS decisions, count(*) FILTER (external) AS external_decisions,
               coalesce(sum(feature_count) FILTER (NOT external), 0)::BIGINT AS "values",
               coalesce(sum(imputed) FILTER (NOT external), 0)::BIGINT AS imputed,
               count(*) FILTER (NOT external AND len(stale_sources) > 0) AS stale_decisions,
               count(*) FILTER (reactions > 0) AS reacted
        FROM tip_scores WHERE {decisions} GROUP BY day
    )
    SELECT day, coalesce(decisions, 0) AS decisions, coalesce(external_decisions, 0) AS external_decisions,
           coalesce("values", 0) AS "values", coalesce(imputed, 0) AS imputed,
           imputed / nullif("values", 0) AS missing_rate,
           coalesce(stale_decisions, 0) AS stale_decisions,
           stale_decisions / nullif(decisions - external_decisions, 0) AS stale_rate,
           coalesce(reacted, 0) AS reacted, reacted / nullif(decisions, 0) AS feedback_completeness,
           coalesce(expected_source_days, 0) AS expected_source_days,
           coalesce(reported_source_days, 0) AS reported_source_days,
           reported_source_days / nullif(expected_source_days, 0) AS source_completeness
    FROM decision_days FULL JOIN source_days USING (day)
    """


# A token that had expired before the window, and a signal after it, say nothing of its days.
_SIGNALS = (
    "($since IS NULL OR token_expires_at IS NULL OR token_expires_at::DATE >= $since::DATE) "
    "AND ($until IS NULL OR observed_at < $until)"
)

QUALITY_DAILY = Report(
    name="quality_daily",
    sql=f"""
    SELECT * FROM ({daily_quality(signals=_SIGNALS, decisions=within("occurred_at"))})
    WHERE ($since IS NULL OR day >= $since::DATE) AND ($until IS NULL OR day < $until)
    """,
    order="day DESC",
    comment="The view data_quality_daily, for a window of whole days.",
    parameters=WINDOW,
)

REPORTS = (MISSING_BY_FEATURE, STALE_BY_SOURCE, QUALITY_DAILY)
