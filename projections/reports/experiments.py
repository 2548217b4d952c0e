"""How an experiment went from its start to its stop, or until now: sums over its arms' people, at forty moments."""

from itertools import combinations_with_replacement

from projections.reports.report import Report
from projections.reports.window import STREAM_TIME

STEPS = 40
COUNTS = ("decisions", "reward", "decisions_before", "reward_before")
"""What is counted of a person: since the start, and in the weeks before it."""

PRODUCTS = {f"{a}_x_{b}": (a, b) for a, b in combinations_with_replacement(COUNTS, 2)}
"""Columns with the sums, over people, of the products of two counts."""

SO_FAR = ", ".join(
    f"coalesce(sum({name}) OVER so_far, 0)::{kind} AS {name}"
    for kind, names in (("BIGINT", ("people", "received", "reacted", "strays")), ("DOUBLE", (*COUNTS, *PRODUCTS)))
    for name in names
)

EXPERIMENT_STEPS = Report(
    name="experiment_steps",
    sql=f"""
    WITH run AS (
        SELECT experiment_id, started_at, stopped_at,
               coalesce(stopped_at, 'infinity'::TIMESTAMP) AS until,
               greatest(1, epoch_us(least(coalesce(stopped_at, 'infinity'::TIMESTAMP), stream_time))
                           - epoch_us(started_at)) AS span,
               [''] || list_transform(from_json(arms, '[{{"policy": "VARCHAR"}}]'), lambda arm: arm.policy) AS arms
        FROM experiments, (SELECT {STREAM_TIME} AS stream_time)
        WHERE experiment_id = $experiment_id
    ), people AS (
        SELECT p.* REPLACE (coalesce(arm, '') AS arm), p.arm IS NULL AS held,
               least({STEPS}, 1 + (epoch_us(first_at) - epoch_us(started_at)) * {STEPS} // span) AS first_step
        FROM experiment_people p JOIN run USING (experiment_id)
    ), moved AS (
        SELECT user_id, arm, decisions_before, reward_before,
               least({STEPS}, 1 + (epoch_us(occurred_at) - epoch_us(started_at)) * {STEPS} // span) AS step,
               count(*)::DOUBLE AS made, count(*) FILTER (reactions > 0) AS reacted,
               coalesce(sum(reward), 0.0) AS earned, count(*) FILTER (NOT held AND policy <> arm) AS strays
        FROM tip_scores JOIN people USING (user_id), run
        WHERE NOT external AND occurred_at >= started_at AND occurred_at < until
        GROUP BY ALL
    ), reached AS (
        SELECT *, sum(made) OVER so_far AS decisions, sum(earned) OVER so_far AS reward
        FROM moved WINDOW so_far AS (PARTITION BY user_id ORDER BY step)
    ), changes AS (
        SELECT *, decisions = made AS came,
               CASE WHEN came THEN 0.0 ELSE decisions - made END AS decisions_was,
               CASE WHEN came THEN 0.0 ELSE reward - earned END AS reward_was,
               CASE WHEN came THEN 0.0 ELSE decisions_before END AS decisions_before_was,
               CASE WHEN came THEN 0.0 ELSE reward_before END AS reward_before_was
        FROM reached
    ), received AS (
        SELECT CASE WHEN held THEN '' ELSE received END AS arm, first_step AS step, count(*) AS received
        FROM people GROUP BY ALL
    ), added AS (
        SELECT arm, step, sum(came::INTEGER) AS people, sum(reacted) AS reacted, sum(strays) AS strays,
               {", ".join(f"sum({name} - {name}_was) AS {name}" for name in COUNTS)},
               {", ".join(f"sum({a} * {b} - {a}_was * {b}_was) AS {name}" for name, (a, b) in PRODUCTS.items())}
        FROM changes GROUP BY ALL
    ), places AS (
        SELECT unnest(arms) AS arm, unnest(range(len(arms))) AS place, started_at, span FROM run
    ), steps AS (
        SELECT place, arm, step, started_at + to_microseconds(span * step // {STEPS}) AS moment
        FROM places, range(1, {STEPS} + 1) t(step)
    )
    SELECT place, nullif(arm, '') AS arm, moment, {SO_FAR}
    FROM steps LEFT JOIN added USING (arm, step) LEFT JOIN received USING (arm, step)
    WINDOW so_far AS (PARTITION BY place ORDER BY step)
    """,
    order="place, moment",
    comment="Sums over the people of each arm (place 0 and a NULL arm: those held back) up to forty moments, with the "
    "rewards that stand now: of what is counted of a person, and of its products; `received` counts those "
    " whose first decision was made by the arm's policy, `strays` decisions made by another.",
    parameters={"experiment_id": str},
)

REPORTS = (EXPERIMENT_STEPS,)
