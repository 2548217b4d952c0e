"""Reports on small logs, against numbers worked out by hand; and what a report refuses to be asked."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from projections.reports.registry import REPORTS, report_of
from projections.reports.report import BadParameter, UnknownReport
from projections.sinks.duckdb import DuckdbSink
from tests.folds.log import Log
from tests.projections.listed import folded, stream_of


class Reported:
    """A log and its reports."""

    def __init__(self, sink: DuckdbSink) -> None:
        self.sink = sink
        self.log = Log()

    async def rows(self, report_name: str, **parameters: Any) -> list[dict[str, Any]]:
        """A report's rows, once the log is folded; parameters as JSON brings them."""
        await folded(stream_of(self.log), self.sink)
        report = report_of(report_name)
        columns, rows = self.sink.report(report, report.bind(parameters), 1000)
        return [dict(zip(columns, row, strict=True)) for row in rows]


@pytest.fixture
def reported(tmp_path: Path) -> Iterator[Reported]:
    sink = DuckdbSink(tmp_path / "reports.duckdb", {"threads": 1})
    yield Reported(sink)
    sink.close()


@pytest.mark.parametrize("name", REPORTS)
async def test_every_report_answers_on_an_empty_log_with_and_without_its_parameters(
    reported: Reported, name: str
) -> None:
    values: dict[Any, Any] = {
        str: "ann", int: 7, float: 0.5, bool: True, datetime: "2026-03-01T00:00:00Z", date: "2026-03-01",
        list[str]: ["ann"],
    }  # fmt: skip
    empty = await reported.rows(name)
    given = await reported.rows(name, **{key: values[kind] for key, kind in REPORTS[name].parameters.items()})
    assert [len(rows) <= 1 for rows in (empty, given)] == [True, True]
    assert REPORTS[name].comment.endswith(".")


async def test_daily_reactions_counts_what_stands_now_within_the_window(reported: Reported) -> None:
    log = reported.log
    for number, action in enumerate(("helpful", "not_helpful", "done", "snoozed", "dismissed")):
        log.scored(decision_id=f"a{number}")
        log.feedback(action, decision_id=f"a{number}")  # type: ignore[arg-type]
    log.feedback("helpful", decision_id="a1")
    log.scored(decision_id="ignored")
    log.wait(days=1)
    log.scored("eve", "x", external=True)
    log.feedback("helpful", "eve", "x")
    first = {
        "day": date(2026, 3, 1), "decisions": 6, "reacted": 5, "helpful": 2, "not_helpful": 0, "done": 1, "snoozed": 1,
        "dismissed": 1,
    }  # fmt: skip
    second = {**dict.fromkeys(first, 0), "day": date(2026, 3, 2), "decisions": 1, "reacted": 1, "helpful": 1}
    assert await reported.rows("daily_reactions") == [first, second]
    assert await reported.rows("daily_reactions", since="2026-03-02T00:00:00Z") == [second]
    # The second day begins at 01:00 in a zone one hour ahead.
    assert await reported.rows("daily_reactions", until="2026-03-02T01:00:00+01:00") == [first]
    assert await reported.rows("daily_reactions", external=True) == [second]
    assert await reported.rows("daily_reactions", external=False) == [first]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"luck": 1}, "has no parameter 'luck'; it has since, until"),
        ({"since": "yesterday"}, "parameter since: Invalid RFC3339"),
        ({"since": "2026-03-02T00:00:00"}, "parameter since: needs a UTC offset"),
        ({"until": 5}, "parameter until: Expected `datetime`"),
        ({"external": "1=1"}, "parameter external: Expected `bool`, got `str`"),
    ],
)
def test_a_parameter_that_a_report_does_not_take_is_refused_by_name(given: dict[str, Any], why: str) -> None:
    with pytest.raises(BadParameter, match=why):
        report_of("daily_reactions").bind(given)


def test_an_unknown_report_is_refused_by_name() -> None:
    with pytest.raises(UnknownReport, match="there are daily_reactions"):
        report_of("daily_reactions) union (select 1")
