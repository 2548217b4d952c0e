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
        copies = -(-(decisions - rows) // rows)
        for number in range(1, copies + 1):
            connection.execute("BEGIN")
            for table in tables:
                connection.execute(copy(table, number, step, micros=store == "sqlite"))
            connection.execute("COMMIT")
        (counts[projection],) = connection.execute("SELECT count(*) FROM tip_scores").fetchone() or (0,)
        connection.close()
    return counts


def copy(table: Table, number: int, step: int, *, micros: bool) -> str:
    """The statement that adds copy `number` of the rows that the log gave; sequences move down by `step` a copy."""
    back = number % SPREAD * DAYS_APART
    selected = []
    for name, kind in table.columns:
        column = f'"{name}"'
        if name in ("seq", "last_seq"):
            column = f"{column} - {number * step}"
        elif name in ("user_id", "decision_id", "event_id"):
            column = f"{column} || '{MARK}{number}'"
        elif kind == "time":
            column = f"{column} - {back * 86_400_000_000}" if micros else f"{column} - INTERVAL {back} DAY"
        selected.append(column)
    return f"INSERT INTO {table.name} SELECT {', '.join(selected)} FROM {table.name} WHERE instr(user_id, '{MARK}') = 0"


if __name__ == "__main__":
    print(fill(Path(sys.argv[1]), int(sys.argv[2])))
