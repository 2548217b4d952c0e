"""The Open Bandit Dataset sample end to end: exact counts in both stores, and importing again adds nothing.

The last of those that share a system: each proof after it folds its 20,000 decisions too.
"""

import sqlite3

import pytest

from services.importing.obd import BUILT_IN
from tests.system.running import RunningSystem

COUNTS = """
select policy, count(*), count(*) filter (where verdict = 'helpful'), coalesce(sum(reward), 0) / count(*)
from tip_scores where external group by policy order by policy
"""
EXPECTED = [("obd_bts", 10_000, 69, 0.00345), ("obd_random", 10_000, 46, 0.0023)]


@pytest.mark.timeout(300)
def test_the_sample_counts_exactly_in_both_stores_and_once(system: RunningSystem) -> None:
    system.run("import", str(BUILT_IN), "--format", "obd")
    system.wait_folded()
    assert sqlite_counts(system) == duckdb_counts(system) == EXPECTED
    compared = system.sql("select policy, reward_per_decision from policy_compare where policy like 'obd%' order by 1")
    assert [(name, round(value, 12)) for name, value in compared] == [("obd_bts", 0.00345), ("obd_random", 0.0023)]

    system.run("import", str(BUILT_IN), "--format", "obd")
    system.wait_folded()
    assert sqlite_counts(system) == duckdb_counts(system) == EXPECTED

    report = system.verify()
    assert report["proven"], report
    assert report["scores"]["external"] == 20_000


def sqlite_counts(system: RunningSystem) -> list[tuple[str, int, int, float]]:
    path = next((system.home / "read_models").glob("sqlite-v*.sqlite"))
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return [(name, n, clicks, round(mean, 12)) for name, n, clicks, mean in connection.execute(COUNTS)]


def duckdb_counts(system: RunningSystem) -> list[tuple[str, int, int, float]]:
    return [(name, n, clicks, round(mean, 12)) for name, n, clicks, mean in system.sql(COUNTS)]
