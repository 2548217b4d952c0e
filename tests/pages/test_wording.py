"""Figures as people read them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from console.moments import amount, measured
from console.operations.policies import IN_SHADOW
from console.pages.rewards import POLICIES
from console.pages.sql_queries import asked_by_client
from console.people.person import DECISIONS, LEARNED
from console.reactions import words_of
from services.api.admin.sql import Executed


def test_one_thing_is_not_told_in_the_plural() -> None:
    said = [amount(number, "shadow decisions") for number in (0, 1, 2000)]
    assert said == ["0 shadow decisions", "1 shadow decision", "2,000 shadow decisions"]
    assert [amount(1, "saved queries"), amount(1, "feedback")] == ["1 saved query", "1 feedback"]


def test_thousands_are_told_in_full() -> None:
    said = [measured(value) for value in (0.12345, 7.0, 146.25, 10_740.4, -2_000.0, 3e15)]
    assert said == ["0.1235", "7", "146.2", "10,740", "-2,000", "3e+15"]


def test_a_quantile_of_latencies_is_told_in_as_few_digits_as_their_mean() -> None:
    (p99,) = (column for column in IN_SHADOW if column.name == "p99_latency_us")
    (mean,) = (column for column in POLICIES if column.name == "mean_latency_us")
    assert [column.show and column.show(21_079.059999999787) for column in (p99, mean)] == ["21.08 ms", "21.08 ms"]


def test_what_a_person_got_is_told_in_as_many_digits_as_in_the_log() -> None:
    told = {column.name: column.show for column in (*DECISIONS, *LEARNED)}
    values = {"score": 0.761, "propensity": 0.00125, "reward": 0.5, "cumulative_reward": 39.0, "mean": 0.51324}
    said = [show(value) for name, value in values.items() if (show := told[name])]
    assert said == ["0.7610", "0.0013", "+0.50", "39.000", "0.513"]
    assert words_of("not_helpful", "dismissed") == "not helpful · dismissed"


@pytest.mark.parametrize(
    ("door", "sql", "by_itself"),
    [
        ("quack", "SELECT schema_name, sql, 'table' FROM duckdb_tables() UNION ALL SELECT 1, 2, 'view'", True),
        ("console", "SELECT schema_name, sql, 'table' FROM duckdb_tables()", False),
        ("quack", "SELECT #4 FROM feedback", False),
    ],
)
def test_what_a_client_looks_up_by_itself_is_told_from_what_somebody_ran(door: Any, sql: str, by_itself: bool) -> None:
    ran = Executed(
        seq=1, actor="ann", sql=sql, door=door, outcome="ok", duration_us=1, rows=1, occurred_at=datetime.now(UTC)
    )
    assert asked_by_client(ran) is by_itself
