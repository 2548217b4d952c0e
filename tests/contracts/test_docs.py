"""The pages under docs/ name everything there is: events with their subjects, tables and views with their columns."""

import re
from pathlib import Path

import pytest

from contracts import reasons
from contracts.events.base import Event
from contracts.events.registry import EVENTS
from contracts.rewards import OUTCOMES, VERDICTS
from projections.folds.tables import TABLES, Table
from projections.reports.registry import REPORTS
from projections.sinks.duckdb_views import VIEWS, View

DOCS = Path(__file__).parents[2] / "docs"


def rows_of(page: str) -> dict[str, list[str]]:
    """The table rows of a page by what stands in their first cell, backquotes taken away."""
    lines = (DOCS / page).read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {row[0].strip("`"): row for row in cells}


def section(page: str, title: str) -> str:
    """What stands under a heading of a page, up to the next heading."""
    found = re.search(rf"^#+ `{re.escape(title)}`.*?$(.*?)(?=^#|\Z)", (DOCS / page).read_text(), re.M | re.S)
    assert found, f"docs/{page} has no heading for `{title}`"
    return found[1]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_every_event_is_described_with_its_subject_and_signature(event: type[Event]) -> None:
    row = rows_of("events.md").get(event.__name__)
    assert row is not None, f"docs/events.md does not name {event.__name__}"
    shown = re.sub(r"\{(\w+)\}", r"<\1>", event.SUBJECT)
    assert row[1] == f"`{shown}`"
    assert row[3] == ("yes" if event.SIGNED else "no")


def test_every_action_is_described_with_its_reward() -> None:
    rows = rows_of("events.md")
    for action, reward in (VERDICTS | OUTCOMES).items():
        assert float(rows[action][2].replace("−", "-")) == reward


def test_every_reason_of_a_dead_letter_is_described() -> None:
    assert set(reasons.REASONS) <= set(rows_of("events.md"))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_is_described_with_its_columns_and_stores(table: Table) -> None:
    said = section("tables.md", table.name)
    absent = [name for name in table.names if f"`{name}`" not in said]
    assert not absent, f"docs/tables.md, {table.name}: {absent}"
    stores = {"sqlite": "SQLite", "duckdb": "DuckDB"}
    first = said.strip().splitlines()[0]
    assert {stores[name] for name in table.stores} == {name for name in stores.values() if name in first}


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_view_is_described_with_its_columns(view: View, view_columns: dict[str, list[str]]) -> None:
    said = section("tables.md", view.name)
    absent = [name for name in view_columns[view.name] if f"`{name}`" not in said]
    assert not absent, f"docs/tables.md, {view.name}: {absent}"


def test_every_report_is_described() -> None:
    first_cells = " ".join(row[0] for row in rows_of("tables.md").values())
    absent = REPORTS.keys() - set(re.findall(r"\w+", first_cells))
    assert not absent, f"docs/tables.md does not name {absent}"


@pytest.fixture(scope="module")
def view_columns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The columns of each view, as DuckDB knows them."""
    from projections.sinks.duckdb import DuckdbSink

    sink = DuckdbSink(tmp_path_factory.mktemp("docs") / "empty.duckdb")
    try:
        return {view.name: sink.view(view.name, 1)[0] for view in VIEWS}
    finally:
        sink.close()


@pytest.mark.parametrize(
    "page", ["README.md", "docs/events.md", "docs/tables.md", "docs/experiments.md", "docs/operations.md"]
)
def test_every_module_that_a_page_names_is_there(page: str) -> None:
    named = set(re.findall(r"`([\w/]+\.py)`", (DOCS.parent / page).read_text()))
    absent = [name for name in named if not any(DOCS.parent.glob(f"[cmps]*/**/{name.split('/')[-1]}"))]
    assert not absent, f"{page} names {absent}"
    paths = [name for name in named if "/" in name and not (DOCS.parent / name).is_file()]
    assert not paths, f"{page} names {paths}"
