"""The SQL page in use: running, an error at its place, files, queries kept and shared, a chart, history, completion."""

import csv
from pathlib import Path

import pyarrow.parquet
from playwright.sync_api import Page, expect

from console.pages.sql import failure
from services.bus.errors import NoAnswer
from services.problems import Problem
from tests.console.visitors import Visitor

COUNT = "SELECT policy, decisions FROM policy_compare ORDER BY policy"


def write(page: Page, text: str) -> None:
    """Replace what the editor holds, as somebody typing."""
    editor = page.get_by_role("textbox", name="SQL statement")
    editor.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)
    expect(editor).to_contain_text(text.splitlines()[-1])


def test_a_statement_is_run_and_its_answer_shown_charted_and_downloaded(admin: Visitor, tmp_path: Path) -> None:
    page = admin.open("/admin/sql")
    page.get_by_role("button", name="Policies side by side").click()
    expect(page.get_by_role("cell", name="linucb").first).to_be_visible()
    history = page.get_by_role("region", name="History")
    expect(history.get_by_text("reward_per_decision").first).to_be_visible()
    write(page, COUNT)
    page.keyboard.press("Control+Enter")
    table = page.get_by_label("Result", exact=True)
    expect(page.get_by_role("columnheader")).to_have_text(["policy", "decisions"], use_inner_text=True)
    expect(table.get_by_role("cell", name="linucb").first).to_be_visible()
    with page.expect_download() as taken:
        page.get_by_role("button", name="CSV").click()
    taken.value.save_as(tmp_path / "rows.csv")
    lines = list(csv.reader((tmp_path / "rows.csv").read_text().splitlines()))
    assert lines[0] == ["policy", "decisions"]
    assert "linucb" in [line[0] for line in lines]
    with page.expect_download() as taken:
        page.get_by_role("button", name="Parquet").click()
    taken.value.save_as(tmp_path / "rows.parquet")
    parquet = pyarrow.parquet.read_table(tmp_path / "rows.parquet")
    assert [str(field.type) for field in parquet.schema] == ["string", "int64"]
    page.get_by_role("button", name="Chart", exact=True).click()
    expect(page.get_by_role("img", name="Chart of the result")).to_be_visible()
    # What ran stands in the address, and in the history.
    assert "sql=SELECT" in page.url
    expect(history.get_by_text(COUNT).first).to_be_visible()
    write(page, "SELECT n, 2 * n AS twice FROM range(2500) AS t(n)")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("columnheader", name="twice")).to_be_visible()
    page.get_by_role("button", name="Chart", exact=True).click()
    expect(page.get_by_label("Y", exact=True).first).to_have_value("twice")
    expect(page.get_by_text("the first 2,000 of 2,500 rows")).to_be_visible()


def test_a_statement_that_nobody_could_run_is_told_so() -> None:
    assert failure(NoAnswer("nobody answers")) == "The statement was not answered"
    assert failure(Problem(422, "", "no such table")) == "The statement gave no rows"


def test_an_error_is_told_in_words_and_with_its_place(admin: Visitor) -> None:
    page = admin.open("/admin/sql")
    write(page, "SELECT seq,\n  luck FROM tip_scores")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("line 2, column 3")
    expect(page.locator(".sql-wrong")).to_have_text("luck")
    write(page, "DROP TABLE tip_scores")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("only SELECT is answered here")


def test_a_query_is_saved_run_again_renamed_shared_and_deleted(admin: Visitor) -> None:
    page = admin.open("/admin/sql")
    write(page, "SELECT 4711 AS kept")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("textbox", name="Name").fill("lucky number")
    page.get_by_role("button", name="Save name").click()
    saved = page.get_by_role("region", name="Saved queries")
    expect(saved.get_by_role("button", name="Rename lucky number")).to_be_visible()
    page.wait_for_url("**/admin/sql?query=*")
    link = page.url
    saved.get_by_role("button", name="Rename lucky number").click()
    page.get_by_role("textbox", name="Name").fill("prime")
    page.get_by_role("button", name="Save name").click()
    expect(saved.get_by_role("button", name="Rename prime")).to_be_visible()
    # Whoever has the link finds the statement and can run it.
    page = admin.open(link)
    editor = page.get_by_role("textbox", name="SQL statement; Escape, then Tab leaves it")
    expect(editor).to_contain_text("4711 AS kept")
    editor.press("Escape")
    editor.press("Tab")
    expect(editor).not_to_be_focused()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("cell", name="4711")).to_be_visible()
    page.get_by_role("button", name="Delete prime").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("button", name="Delete prime")).to_have_count(0)


def test_tables_and_columns_are_completed_and_inserted(admin: Visitor) -> None:
    page = admin.open("/admin/sql")
    schema = page.get_by_role("region", name="Tables and views")
    expect(schema.locator("summary").get_by_text("tip_scores", exact=True)).to_be_visible()
    write(page, "SELECT ")
    page.keyboard.type("prop")
    page.keyboard.press("Control+Space")
    expect(page.locator(".cm-tooltip-autocomplete").get_by_text("propensity", exact=True)).to_be_visible()
    # The editor lets no key choose from a list that opened less than 75 ms ago (CodeMirror's interactionDelay).
    page.wait_for_timeout(200)
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="SQL statement")).to_contain_text("SELECT propensity")
    write(page, "FROM ")
    schema.locator("summary").get_by_text("tips", exact=True).click()
    schema.get_by_role("button", name="tips insert the name").click()
    expect(page.get_by_role("textbox", name="SQL statement")).to_contain_text("FROM tips")
