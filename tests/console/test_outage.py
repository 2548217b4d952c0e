"""While the stream does not answer every page says so; once it does again everything comes back by itself."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import expect

from tests.console.visitors import Visitor
from tests.system.running import RunningSystem

SILENT = "The stream has not answered since"


@contextmanager
def hung(console: RunningSystem, *processes: str) -> Iterator[None]:
    """Processes that stand still meanwhile, as ones that hang; afterwards the system is as before."""
    pids = [pid for pid in map(console.pid, processes) if pid is not None]
    assert len(pids) == len(processes)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        console.wait_healthy()


def test_open_pages_say_that_the_stream_hangs_until_it_is_back(admin: Visitor, console: RunningSystem) -> None:
    home = admin.open("/admin")
    figure = home.locator("a.figure", has_text="Events in the stream")
    expect(figure).to_contain_text("lag")
    events = home.context.new_page()
    events.goto("/admin/events")
    status = events.get_by_role("status").filter(has_text="in all")
    expect(status).to_contain_text("events/s")
    with hung(console, "nats-server"):
        for page in (home, events):
            expect(page.get_by_role("alert")).to_contain_text(SILENT)
        expect(status).to_contain_text("no answer ·")
        expect(figure).to_contain_text("to look at; lag unknown")
        assert admin.violations() == []
        home.reload()
        late = home.context.new_page()
        late.goto("/admin/users")
        expect(late.get_by_role("alert")).to_contain_text(SILENT)
        late.goto("/admin/rewards")
        trouble = late.get_by_role("alert").filter(has_text="This cannot be shown now")
        # Sooner than what is asked gives up.
        expect(trouble).to_contain_text(SILENT, timeout=8_000)
        expect(trouble.get_by_role("link", name="See Health")).to_be_visible()
        # Home was opened before that page, so it has given up on its reports too.
        expect(home.get_by_role("alert")).to_have_count(1)
    expect(home.get_by_text(SILENT)).to_have_count(0)
    expect(figure).not_to_contain_text("unknown")
    expect(status).to_contain_text("events/s")
    expect(events.get_by_text(SILENT)).to_have_count(0)
    expect(late.locator(".figure", has_text="Tips shown")).to_be_visible()
    expect(trouble).to_have_count(0)


def test_a_report_names_the_process_that_hangs_and_comes_with_it(admin: Visitor, console: RunningSystem) -> None:
    with hung(console, "analytics", "query"):
        page = admin.open("/admin/rewards")
        sql = page.context.new_page()
        sql.goto("/admin/sql")
        # What needs no query process comes without one.
        ran = sql.get_by_role("region", name="History").locator(".empty, .sql-column").first
        expect(ran).to_be_visible()
        alert, missing = page.get_by_role("alert"), sql.get_by_role("alert")
        expect(missing).to_contain_text("The query process has not answered since")
        expect(alert).to_contain_text("The analytics process has not answered since")
    expect(page.locator(".figure", has_text="Tips shown")).to_be_visible()
    expect(alert).to_have_count(0)
    expect(sql.locator("summary").get_by_text("tip_scores", exact=True)).to_be_visible()
    expect(missing).to_have_count(0)


def test_an_answer_to_a_tip_is_sent_until_it_is_confirmed(phone: Visitor, console: RunningSystem) -> None:
    page = phone.open("/?user=demo-009")
    done = page.locator(".tips-done[aria-disabled=false]")
    expect(done).to_be_visible()
    decision = page.locator(".tips-card").get_attribute("data-decision")
    with hung(console, "nats-server"):
        done.click()
        expect(page.get_by_role("alert")).to_contain_text("Your answer is not confirmed yet")
    expect(page.get_by_text("Well done. Here is your next tip.")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    console.wait_folded()
    assert console.sql(f"SELECT count(*) FROM feedback WHERE decision_id = '{decision}'") == [[1]]
