"""Times in an answer of SQL: one in a list or a struct has the form that it has alone."""

import base64
import csv
import io

import pytest

from tests.sql.conftest import Program

TIMES = (
    "TIMESTAMP '2024-01-01 10:00:00'", "TIMESTAMP 'infinity'", "TIMESTAMP '0044-03-15 (BC) 10:00:00'",
    "TIMESTAMP_NS '2024-01-01 10:00:00.123456789'", "TIMESTAMP_S '2024-01-01 10:00:00'",
    "TIMESTAMPTZ '2020-01-02 03:04:05+00'", "TIMESTAMPTZ '-infinity'", "DATE '2020-01-02'", "DATE 'infinity'",
    "DATE '0044-03-15 (BC)'", "TIME '10:00:00'", "TIMETZ '10:00:00+01'", "INTERVAL '1 month'", "NULL::TIMESTAMP",
)  # fmt: skip


@pytest.mark.parametrize("moment", TIMES)
def test_a_time_in_a_list_has_the_form_that_it_has_alone(program: Program, moment: str) -> None:
    answer = program.ask(
        f"SELECT {moment} AS v, [{moment}, NULL] AS l, [[{moment}], NULL, []] AS n, "
        f"[{moment}]::{kind_of(moment)}[1] AS f, "
        f"{{'a \"b\"': {moment}, 'date': [{{'c': {moment}}}]}} AS s, [{{'a': {moment}}}, NULL] AS o, "
        f"row({moment}) IS NULL AS r"
    )
    alone, *within = answer["rows"][0]
    assert within == [
        [alone, None], [[alone], None, []], [alone], {'a "b"': alone, "date": [{"c": alone}]}, [{"a": alone}, None],
        False,
    ]  # fmt: skip


def kind_of(moment: str) -> str:
    return "TIMESTAMP" if moment.startswith("NULL") else moment.split(" ")[0]


def test_times_in_a_list_and_in_what_has_no_form_of_its_own_are_answered_too(program: Program) -> None:
    statement = (
        "SELECT [TIMESTAMP '2024-01-01 10:00:00', TIMESTAMP '2024-01-02 11:00:00'] AS l, "
        "row(DATE '2024-01-01', [INTERVAL '1 month']) AS r, MAP {DATE '2024-01-01': TIMESTAMP 'infinity'} AS m"
    )
    assert program.ask(statement)["rows"][0][0] == ["2024-01-01T10:00:00", "2024-01-02T11:00:00"]
    text = base64.b64decode(program.ask(statement, form="csv")["content"]).decode()
    lines = list(csv.reader(io.StringIO(text, newline="")))
    assert lines[1][0] == "['2024-01-01T10:00:00', '2024-01-02T11:00:00']"
