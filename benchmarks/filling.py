"""A HOME with a million decisions: what its read models hold, copied with ids and days of their own.

`python -m benchmarks.filling HOME DECISIONS` fills the SQLite and the analytics file of a HOME whose system is stopped
and has folded some demo history; rows keep their real shape. Copies have sequences below zero, so checkpoints hold.
"""

import sqlite3
import sys
from pathlib import Path

import duckdb

from projections.folds.tables import BY_NAME, Table
from projections.sinks.versions import Versions

COPIED = ("tip_scores", "candidate_lists", "feedback", "signals", "users", "bandit_stats", "feature_history")
MARK = "+"
DAYS_APART = 30
SPREAD = 3
"""Copies lie up to this many times DAYS_APART before the rows they are copied from, in turn."""


def fill(home: Path, decisions: int) -> dict[str, int]:
    """Rows of `tip_scores` in each store afterwards, at least `decisions`. Raises what the stores raise when in use."""
    versions, counts = Versions(home), {}
    for projection, store in (("analytics", "duckdb"), ("sqlite", "sqlite")):
        path = versions.file(projection, versions.pointer(projection).version)
        connection = duckdb.connect(str(path)) if store == "duckdb" else sqlite3.connect(path)
        tables = [BY_NAME[name] for name in COPIED if store in BY_NAME[name].stores]
        (rows, step) = connection.execute("SELECT count(*), max(seq) + 1 FROM tip_scores").fetchone() or (0, 0)
        if (copies := -(-(decisions - rows) // rows)) > 0:
            connection.execute("BEGIN")
            for table in tables:
                connection.execute(copy(table, copies, step, micros=store == "sqlite"))
            connection.execute("COMMIT")
        (counts[projection],) = connection.execute("SELECT count(*) FROM tip_scores").fetchone() or (0,)
        connection.close()
    return counts


def copy(table: Table, copies: int, step: int, *, micros: bool) -> str:
    """The statement that adds copies of the rows that the log gave; sequences move down by `step` a copy."""
    back = f"(number % {SPREAD} * {DAYS_APART})"
    selected = []
    for name, kind in table.columns:
        column = f't."{name}"'
        if name in ("seq", "last_seq"):
            column = f"{column} - number * {step}"
        elif name in ("user_id", "decision_id", "event_id"):
            column = f"{column} || '{MARK}' || number"
        elif kind == "time":
            column = f"{column} - {back} * 86400000000" if micros else f"{column} - to_days({back}::INTEGER)"
        selected.append(column)
    numbers = f"(SELECT 1 AS number UNION ALL SELECT number + 1 FROM numbers WHERE number < {copies})"
    # One statement: a copy at a time would look through all the copies before it.
    return (
        f"WITH RECURSIVE numbers AS {numbers}, origin AS (SELECT * FROM {table.name}) "
        f"INSERT INTO {table.name} SELECT {', '.join(selected)} FROM numbers, origin AS t"
    )


if __name__ == "__main__":
    print(fill(Path(sys.argv[1]), int(sys.argv[2])))
