"""All reports by name; an area's reports stand in a module of their own."""

from projections.reports import actions, decisions, drift, experiments, guardrails, learning, quality, rewards, shadows
from projections.reports.report import Report, UnknownReport

AREAS = (rewards, learning, experiments, quality, drift, decisions, shadows, guardrails, actions)
REPORTS: dict[str, Report] = {report.name: report for area in AREAS for report in area.REPORTS}


def report_of(name: str) -> Report:
    """The report of that name. Raises UnknownReport."""
    report = REPORTS.get(name)
    if report is None:
        raise UnknownReport(f"there is no report {name[:80]!r}; there are {', '.join(REPORTS)}")
    return report
