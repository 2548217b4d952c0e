"""An A/B experiment started, watched and stopped in a browser."""

import re

from playwright.sync_api import expect

from ml.experiments.assignment import arm_of
from tests.console.test_reports_pages import asked, said, table, value
from tests.console.visitors import Visitor, choose
from tests.system.running import RunningSystem


def test_an_experiment_is_previewed_started_watched_and_stopped(admin: Visitor, console: RunningSystem) -> None:
    answer = console.admin.post("/api/admin/policies", json={"policy": "greedy", "action": "shadow"})
    assert answer.status_code == 202, answer.text
    console.wait_folded()
    page = admin.open("/admin/experiments")
    # Until all charts are drawn, what stands under them moves.
    for chart in ("Distribution of pulls", "Learning curve", "Mean reward over time by policy"):
        expect(page.get_by_role("img", name=chart)).to_be_visible()
    expect(page.get_by_text("No experiment was started")).to_be_visible()
    page.get_by_role("button", name="Preview…").click()
    expect(page.get_by_role("alert")).to_contain_text("Name: needs some words")
    page.get_by_label("Name", exact=True).fill("Greedy?")
    page.get_by_role("button", name="Preview…").click()
    expect(page.get_by_role("alert")).to_have_text(re.compile("^Id: needs"))
    page.get_by_label("Id", exact=True).fill("greedy-1")
    choose(page, "Compared with", "linucb")
    page.get_by_label("Held back, %").fill("20")
    page.get_by_label("Weight random").fill("")
    page.get_by_role("button", name="Preview…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("linucb: 40.0% of people")
    expect(dialog).to_contain_text("held back: 20.0% of people")
    dialog.get_by_role("button", name="Start").click()
    expect(dialog).to_contain_text("greedy has not shadowed for long enough")
    force = dialog.get_by_role("button", name="Force")
    expect(force).to_be_disabled()
    dialog.get_by_label("Reason").fill("a test of experiments")
    force.click()
    expect(page).to_have_url("/admin/experiments?experiment=greedy-1")
    # The demo's own people get decisions meanwhile.
    expect(page.get_by_text(re.compile("Nobody is in it yet|People are split as planned"))).to_be_visible()

    (row,) = asked(console, "/api/admin/experiments")
    for number in range(170):
        person = f"tried-{number}"
        decision = said(console, "/v1/recommendations", user_id=person)
        if arm_of(person, row["salt"], (1, 1), 0.2) == 1:
            assert decision["policy"] == "greedy"
            said(console, "/v1/feedback", user_id=person, action="done", decision_id=decision["decision_id"])
    console.wait_folded()
    page.reload()
    # The demo's own people are in it too.
    expect(value(page, "greedy − linucb")).to_contain_text("+")
    expect(page.get_by_text("better than linucb")).to_be_visible()
    expect(page.get_by_text("People are split as planned")).to_be_visible()
    expect(table(page, "Arms")).to_contain_text("held back")
    expect(page.get_by_role("img", name="Difference over time")).to_be_visible()
    assert not admin.violations()

    page.get_by_role("button", name="Stop …").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(page.get_by_text("stopped", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Stop …")).to_be_hidden()
    page.get_by_role("link", name="All experiments").click()
    page.get_by_role("link", name="Greedy?").click()
    expect(page).to_have_url("/admin/experiments?experiment=greedy-1")
