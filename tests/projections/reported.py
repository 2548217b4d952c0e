"""Reports asked of a log by hand."""

from typing import Any

from projections.reports.registry import report_of
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
