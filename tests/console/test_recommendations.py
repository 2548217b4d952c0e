"""The decision log and a person's features, used: filter, open a decision, see why, and go on to features and back."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.console.visitors import Visitor, choose
from tests.system.running import RunningSystem


def reacted(console: RunningSystem) -> dict[str, Any]:
    """A decision of the demo that somebody reacted to."""
    found = console.admin.get("/api/admin/decisions?reacted=true&policy=linucb&limit=1").json()
    (one,) = found["decisions"]
    return dict(one)


def rows(page: Page) -> Any:
    """The rows of the log."""
    return page.get_by_role("table", name="Decisions").or_(page.get_by_label("Decisions")).locator("tbody tr.clickable")


def test_the_log_is_filtered_and_its_address_can_be_shared(admin: Visitor, console: RunningSystem) -> None:
    one = reacted(console)
    page = admin.open("/admin/recommendations")
    expect(rows(page)).to_have_count(50)
    page.get_by_label("Person").fill(one["user_id"])
    choose(page, "Reaction", re.compile("^Reacted$"))
    expect(page).to_have_url(f"/admin/recommendations?user={one['user_id']}&reacted=true")
    expect(page.locator("tbody tr.clickable td:nth-child(2)").first).to_have_text(one["user_id"])
    expect(page.get_by_text("none yet")).to_have_count(0)
    people = set(page.locator("tbody tr.clickable td:nth-child(2)").all_text_contents())
    assert people == {one["user_id"]}
    page.reload()
    expect(page.get_by_label("Person")).to_have_value(one["user_id"])
    expect(page.get_by_text("none yet")).to_have_count(0)


def test_the_log_is_paged_by_addresses(admin: Visitor) -> None:
    page = admin.open("/admin/recommendations?policy=linucb")
    expect(rows(page)).to_have_count(50)
    oldest = page.locator("tbody tr.clickable td:first-child a").last.get_attribute("href")
    page.get_by_role("link", name="Older").click()
    expect(page).to_have_url(re.compile(r"policy=linucb&before=\d+$"))
    expect(rows(page)).to_have_count(50)
    assert oldest not in [link.get_attribute("href") for link in page.locator("tbody td:first-child a").all()]
    page.get_by_role("link", name="Newest").click()
    expect(page).to_have_url("/admin/recommendations?policy=linucb")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("user=nobody-of-this-name", "No such decision"),
        ("until=2001-01-01", "No such decision"),
        ("since=yesterday", "The decisions cannot be shown"),
        ("decision=never-made", "This cannot be shown now"),
    ],
)
def test_what_is_not_there_is_said(admin: Visitor, query: str, said: str) -> None:
    page = admin.open(f"/admin/recommendations?{query}")
    expect(page.get_by_text(said)).to_be_visible()
    expect(page.locator(".skeleton:visible")).to_have_count(0)


def test_a_decision_says_why_and_leads_to_features_and_back(admin: Visitor, console: RunningSystem) -> None:
    one = reacted(console)
    page = admin.open(f"/admin/recommendations?user={one['user_id']}&reacted=true")
    row = rows(page).filter(has=page.locator(f'a[href*="{one["decision_id"]}"]'))
    row.focus()
    row.press("Enter")
    expect(page.get_by_text("recomputed: identical")).to_be_visible()
    expect(page).to_have_url(re.compile(f"decision={one['decision_id']}"))

    made = page.get_by_role("region", name="What the score is made of")
    made.get_by_role("button", name="Show What the score is made of as a table").click()
    last = made.locator("tbody tr", has_text="score").locator("td")
    expect(last.last).to_have_text(f"{one['score']:+.4f}")

    rival = page.get_by_role("region", name="Candidates").locator("tbody tr").nth(3)
    name = rival.locator("td").first.inner_text()
    rival.click()
    expect(made.get_by_text(f"of {name}")).to_be_visible()
    expect(page).to_have_url(re.compile("candidate="))

    expect(page.get_by_role("region", name="Reactions").locator("tbody tr")).not_to_have_count(0)
    expect(page.get_by_role("region", name="Today").get_by_text("would score best")).to_be_visible()
    # Another test of this demo may have had a policy in shadow.
    along = [row["policy"] for row in console.admin.get(f"/api/admin/decisions/{one['decision_id']}").json()["shadows"]]
    shadows = page.get_by_role("region", name="Shadows")
    expect(shadows).to_contain_text(along[0] if along else "Nothing scored along")
    assert admin.violations() == []

    page.get_by_role("link", name="feature history").click()
    expect(page).to_have_url(f"/admin/features?user={one['user_id']}")
    expect(page.get_by_role("img", name=re.compile("Features of the last"))).to_be_visible()
    assert admin.violations() == []
    row = page.get_by_role("region", name="Their decisions").locator("tbody tr").first
    row.get_by_role("link").click()
    expect(page.get_by_text("recomputed: identical")).to_be_visible()
    page.get_by_role("link", name="Back to all decisions").click()
    expect(page).to_have_url("/admin/recommendations")


def test_a_person_is_found_by_a_part_of_their_id(admin: Visitor, console: RunningSystem) -> None:
    user = reacted(console)["user_id"]
    page = admin.open("/admin/features")
    expect(page.get_by_role("region", name="People seen last").locator("tbody tr")).not_to_have_count(0)
    page.get_by_label("Person").fill(user[1:])
    found = page.get_by_role("region", name="People found").get_by_role("link", name=user)
    found.click()
    expect(page.get_by_text("Each feature over time")).to_be_visible()
    page.goto("/admin/features?user=nobody-of-this-name")
    expect(page.get_by_role("heading", name="Nobody of that id")).to_be_visible()
    page.get_by_label("Person").fill("demo-")
    page.get_by_label("Person").press("Enter")
    expect(page.get_by_role("region", name="People found").locator("tbody tr")).not_to_have_count(0)
    page.get_by_label("Person").fill(user[1:])
    page.get_by_label("Person").press("Enter")
    expect(page).to_have_url(f"/admin/features?user={user}")


def test_a_cell_of_the_heatmap_opens_its_decision(admin: Visitor, console: RunningSystem) -> None:
    page = admin.open(f"/admin/features?user={reacted(console)['user_id']}")
    chart = page.get_by_role("img", name=re.compile("Features of the last"))
    expect(chart.locator("canvas").first).to_be_visible()
    box = chart.bounding_box()
    assert box is not None
    # The first feature is 1 for every tip, so its line is full of cells.
    chart.click(position={"x": box["width"] * 0.6, "y": 48})
    expect(page.get_by_text("recomputed: identical")).to_be_visible()


def test_the_pages_can_be_used_on_a_phone(admin: Visitor, console: RunningSystem) -> None:
    one = reacted(console)
    admin.page.set_viewport_size({"width": 390, "height": 844})
    for address, said in (
        (f"/admin/recommendations?decision={one['decision_id']}", "recomputed: identical"),
        (f"/admin/features?user={one['user_id']}", "Each feature over time"),
        ("/admin/recommendations", one["user_id"]),
    ):
        page = admin.open(address)
        expect(page.get_by_text(said).first).to_be_visible()
        wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, address
