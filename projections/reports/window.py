"""What many reports share: a window of moments, imported decisions kept or left out, and how rewards are averaged.

`since` is the first moment, `until` the first one past it; days are UTC days of `occurred_at`.
"""

from datetime import datetime

from projections.reports.report import Kind

# Two-sided 95 % of the normal distribution.
Z = 1.959963984540054

WINDOW: dict[str, Kind] = {"since": datetime, "until": datetime}
DECISIONS: dict[str, Kind] = {**WINDOW, "external": bool}
"""Parameters of a report on decisions: of a window, and only imported (`external`) or only our own ones."""

OURS_OR_THEIRS = "($external IS NULL OR external = $external)"

STREAM_TIME = "(SELECT make_timestamp(max(recorded_ns) // 1000) FROM checkpoints)"
"""When the stream took the last event that is folded."""

YOUNG = f"(NOT external AND recorded_at > {STREAM_TIME} - INTERVAL 24 HOUR)"
"""Recorded within the last 24 h of stream time, so that a reaction may still come."""

REACTIONS = """
    count(*) AS decisions, count(*) FILTER (reactions > 0) AS reacted,
    count(*) FILTER (verdict = 'helpful') AS helpful, count(*) FILTER (verdict = 'not_helpful') AS not_helpful,
    count(*) FILTER (outcome = 'done') AS done, count(*) FILTER (outcome = 'snoozed') AS snoozed,
    count(*) FILTER (outcome = 'dismissed') AS dismissed
"""
"""Decisions and what stands now of their reactions."""

REWARD = """
    coalesce(sum(reward), 0.0) AS reward_sum, coalesce(sum(reward), 0.0) / count(*) AS reward_per_decision,
    sum(reward) / nullif(count(*) FILTER (reactions > 0), 0) AS reward_per_reaction,
    sqrt(var_samp(coalesce(reward, 0.0)) / count(*)) AS stderr
"""
"""No reaction counts 0 in reward_per_decision, whose standard error stands beside it."""

INTERVAL = f"reward_per_decision - {Z} * stderr AS ci_low, reward_per_decision + {Z} * stderr AS ci_high"
"""The 95 % normal interval of reward_per_decision."""


def within(moment: str) -> str:
    """The condition that a moment lies in the window."""
    return f"($since IS NULL OR {moment} >= $since) AND ($until IS NULL OR {moment} < $until)"
