"""The history of admin actions as it is searched, each with what came of it."""

from projections.reports.report import Report

ADMIN_ACTIONS = Report(
    name="admin_actions",
    sql="""
    WITH chosen AS (
        SELECT * FROM admin_actions
        WHERE ($before IS NULL OR seq < $before) AND ($actor IS NULL OR actor = $actor)
          AND ($kind IS NULL OR starts_with(type, $kind || '.v'))
          AND (coalesce($statements, true) OR NOT starts_with(type, 'tipstream.sql.executed.v'))
          AND ($text IS NULL OR contains(lower(concat_ws(' ', actor, subject, reason, body)), lower($text)))
    ), ended AS (
        SELECT body->>'$.replay_id' AS about, body->>'$.outcome' AS outcome
        FROM admin_actions WHERE starts_with(type, 'tipstream.replay.completed.v')
        UNION ALL
        SELECT body->>'$.erasure_id', 'erased'
        FROM admin_actions WHERE starts_with(type, 'tipstream.user.erased.v')
    )
    SELECT seq, event_id, type, actor, subject, user_id, reason, body, occurred_at, recorded_at,
           CASE WHEN starts_with(type, 'tipstream.replay.requested.v')
                  OR starts_with(type, 'tipstream.user.erasure_requested.v')
                THEN coalesce((SELECT any_value(outcome) FROM ended
                               WHERE about = coalesce(chosen.body->>'$.replay_id', chosen.event_id)), 'running')
                WHEN starts_with(type, 'tipstream.sql.executed.v') OR starts_with(type, 'tipstream.replay.completed.v')
                THEN body->>'$.outcome'
                ELSE 'done' END AS result
    FROM chosen
    """,
    order="seq DESC",
    comment="Actions older than `before`, the latest first, and their results; `statements`: SQL statements too.",
    parameters={"before": int, "actor": str, "kind": str, "text": str, "statements": bool},
)

ACTORS = Report(
    name="actors",
    sql="SELECT actor, count(*) AS actions FROM admin_actions GROUP BY actor",
    order="actions DESC, actor",
    comment="Everybody who has acted.",
)

REPORTS = (ADMIN_ACTIONS, ACTORS)
