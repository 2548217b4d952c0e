"""The Off-policy page in a browser: it says what to do, what comes out, and why there may be no answer."""

from datetime import UTC, datetime, timedelta

from playwright.sync_api import expect

from tests.console.test_reports_pages import asked, value
from tests.console.visitors import Visitor
from tests.system.running import RunningSystem


def test_a_policy_is_evaluated_and_the_address_says_which(admin: Visitor, console: RunningSystem) -> None:
    page = admin.open("/admin/evaluation")
    expect(page.get_by_text("What would another policy have earned?")).to_be_visible()

    # Up to yesterday, since the people of the demo go on deciding while the page and the API are asked.
    asked_for = f"policy=linucb&young=true&until={datetime.now(UTC).date() - timedelta(days=1)}"
    page = admin.open(f"/admin/evaluation?{asked_for}")
    figure = value(page, "Decisions")
    expect(figure).to_be_visible(timeout=90_000)
    report = asked(console, f"/api/admin/evaluation?{asked_for}")["report"]
    assert report["overlap"]["decisions"] > 100
    expect(figure).to_have_text(f"{report['overlap']['decisions']:,}")
    # On its own log a policy has weights of 1, so every decision is worth one.
    expect(value(page, "Worth")).to_have_text(f"{report['overlap']['decisions']:,}")
    page.get_by_role("button", name="Show Estimators as a table").click()
    expect(page.get_by_role("cell", name="switch-DR")).to_be_visible()
    assert admin.violations() == []


def test_what_cannot_be_answered_is_said_on_the_page(admin: Visitor, console: RunningSystem) -> None:
    page = admin.open("/admin/evaluation?policy=random&until=2001-01-01")
    expect(page.get_by_text("This log cannot answer for this policy")).to_be_visible(timeout=90_000)
    expect(page.get_by_text("0 decisions can be used and at least 100 are needed", exact=False)).to_be_visible()
    page = admin.open("/admin/evaluation?policy=linucb&params=beta%3D1")
    expect(page.get_by_text("policy parameter 'beta' is not one of linucb's", exact=False)).to_be_visible()
    page = admin.open("/admin/evaluation?policy=nobody")
    expect(page.get_by_role("alert")).to_contain_text("There is no policy 'nobody'; there are linucb")
    assert page.get_by_text("Walking over the log").count() == 0
