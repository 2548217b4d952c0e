"""What people made of their tips over a window: reactions and rewards by day."""

from datetime import datetime

from projections.reports.report import Kind, Report

WINDOW: dict[str, Kind] = {"since": datetime, "until": datetime}
IN_WINDOW = "($since IS NULL OR occurred_at >= $since) AND ($until IS NULL OR occurred_at < $until)"

DAILY_REACTIONS = Report(
    name="daily_reactions",
    sql=f"""
    SELECT occurred_at::DATE AS day, count(*) AS decisions, count(*) FILTER (reactions > 0) AS reacted,
           count(*) FILTER (verdict = 'helpful') AS helpful, count(*) FILTER (verdict = 'not_helpful') AS not_helpful,
           count(*) FILTER (outcome = 'done') AS done, count(*) FILTER (outcome = 'snoozed') AS snoozed,
           count(*) FILTER (outcome = 'dismissed') AS dismissed
    FROM tip_scores WHERE {IN_WINDOW} AND ($external IS NULL OR external = $external) GROUP BY day
    """,
    order="day",
    comment="Decisions of a day and what stands now of their reactions; external: only imported ones, or only ours.",
    parameters={**WINDOW, "external": bool},
)

REPORTS = (DAILY_REACTIONS,)
