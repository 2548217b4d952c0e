"""The Health page: what is wrong stands at its top within seconds, and goes by itself."""

import os
import re
import signal

from playwright.sync_api import Page, expect

from tests.console.visitors import Visitor
from tests.system.running import RunningSystem


def state(page: Page, part: str, word: str) -> None:
    """Wait until a part is in a state."""
    name = page.get_by_role("cell", name=part, exact=True)
    row = page.get_by_role("region", name="Parts").get_by_role("row").filter(has=name)
    expect(row.locator(".chip")).to_have_text(re.compile(word))


def test_a_part_that_is_gone_is_named_with_what_to_do_until_it_is_back(admin: Visitor, console: RunningSystem) -> None:
    page = admin.open("/admin/health")
    expect(page.get_by_text("All is well")).to_be_visible()
    state(page, "Projector (SQLite)", "up")
    scorer = console.pid("scorer")
    assert scorer is not None
    os.kill(scorer, signal.SIGSTOP)
    try:
        alarm = page.get_by_role("alert")
        expect(alarm).to_contain_text("Scorer does not answer")
        expect(alarm).to_contain_text("What to do: start `tipstream scorer`")
        state(page, "Scorer", "down")
        state(page, "Projector (SQLite)", "up")
        admin.open("/admin/events")
        expect(page.get_by_role("grid", name="Events").get_by_role("gridcell").first).to_be_visible()
        admin.open("/admin/health")
        expect(page.get_by_role("alert")).to_contain_text("Scorer does not answer")
    finally:
        os.kill(scorer, signal.SIGCONT)
    expect(page.get_by_text("All is well")).to_be_visible()
    state(page, "Scorer", "up")


def test_lag_and_rate_of_the_last_minutes_are_plotted_and_listed(admin: Visitor) -> None:
    page = admin.open("/admin/health")
    for title in ("Lag over the last minutes", "Rate over the last minutes"):
        panel = page.get_by_role("region", name=title)
        expect(panel.locator("canvas")).to_be_visible()
        panel.get_by_role("button", name=f"Show {title} as a table").click()
        expect(panel.get_by_role("row").nth(2)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download Rate over the last minutes as CSV").click()
    assert download.value.suggested_filename == "rate-over-the-last-minutes.csv"
