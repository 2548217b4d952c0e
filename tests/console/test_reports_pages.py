"""Rewards, data quality, experiments and home in a browser, each number held against what the API answers."""

import base64
import csv
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from console.pages.quality import hexadecimal
from tests.console.visitors import Visitor
from tests.system.running import RunningSystem


def shown(page: Page, figure: str) -> str:
    """The value of a figure."""
    return value(page, figure).inner_text()


def value(page: Page, figure: str) -> Locator:
    """Where the value of a figure stands."""
    return page.locator(".figure", has=page.get_by_text(figure, exact=True)).locator(".figure-value")


def table(page: Page, name: str) -> Locator:
    """A table by the name that screen readers say."""
    return page.locator(f'.q-table__container[aria-label="{name}"]')


def asked(console: RunningSystem, path: str) -> Any:
    """What the API answers the admin."""
    answer = console.admin.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def said(console: RunningSystem, path: str, **body: Any) -> dict[str, Any]:
    """What the API answers a caller."""
    answer = console.api.post(path, json=body)
    assert answer.status_code in (200, 202), answer.text
    found: dict[str, Any] = answer.json()
    return found


def decided(console: RunningSystem, user: str) -> str:
    """A new decision for somebody."""
    return str(said(console, "/v1/recommendations", user_id=user)["decision_id"])


def test_a_window_changes_the_numbers_and_the_address(admin: Visitor, console: RunningSystem) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    page = admin.open(f"/admin/rewards?since={yesterday}&until={yesterday}")
    query = f"/api/admin/reward-analytics?since={yesterday}&until={yesterday}&source=ours"
    decided = sum(row["decisions"] for row in asked(console, query)["policies"])
    assert decided > 0
    figure = value(page, "Tips shown")
    expect(figure).to_have_text(f"{decided:,}")

    page.get_by_role("button", name="7 days").click()
    expect(page).to_have_url("/admin/rewards?days=7&source=ours")
    expect(figure).not_to_have_text(f"{decided:,}")
    assert int(shown(page, "Tips shown").replace(",", "")) > decided
    expect(page.get_by_label("From", exact=True)).to_have_value("")

    page.get_by_label("To", exact=True).fill("2020-01-01")
    expect(page).to_have_url("/admin/rewards?until=2020-01-01&source=ours")
    expect(figure).to_have_text("0")
    expect(page.get_by_text("No decisions in this window").first).to_be_visible()
    expect(page.get_by_text("Choose a longer window, or imported decisions.").first).to_be_visible()
    page.get_by_role("button", name="Imported").click()
    expect(page.get_by_text("Choose a longer window.", exact=True).first).to_be_visible()
    page.get_by_label("From", exact=True).fill("2021-01-01")
    expect(page.get_by_role("alert")).to_contain_text("is before since")

    page = admin.open("/admin/rewards?since=2021-01-01&until=2020-01-01")
    expect(page.get_by_role("alert")).to_contain_text("is before since")
    expect(page.locator(".skeleton:visible")).to_have_count(0)
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    page.get_by_role("button", name="7 days").click()
    expect(figure).not_to_have_text("0")


def test_policies_are_compared_in_a_table_and_a_chart_is_a_table_and_a_file_too(
    admin: Visitor, console: RunningSystem
) -> None:
    page = admin.open("/admin/rewards?days=7")
    compared = table(page, "Policies compared")
    expect(compared.get_by_role("cell", name="linucb")).to_be_visible()
    heading = compared.get_by_role("columnheader", name="Decisions")
    for how in ("none", "ascending", "descending"):
        expect(heading).to_have_attribute("aria-sort", how)
        heading.press("Enter")
    page.get_by_role("button", name="Show Reactions per day as a table").click()
    reactions = table(page, "Reactions per day")
    days = asked(console, "/api/admin/reward-analytics?days=7&source=ours")["reactions"]
    expect(reactions.get_by_role("cell", name=days[0]["day"])).to_be_visible()
    saved = downloaded(page, "Reactions per day")
    assert saved[0] == "day,decisions,reacted,helpful,done,snoozed,not_helpful,dismissed"
    first = days[0]
    assert saved[1].split(",")[:4] == [str(first[name]) for name in ("day", "decisions", "reacted", "helpful")]


def test_tips_and_dead_letters_are_files_too(admin: Visitor, console: RunningSystem) -> None:
    past = f"until={datetime.now(UTC).date() - timedelta(days=1)}"
    page = admin.open(f"/admin/rewards?{past}")
    expect(table(page, "Tips").locator("tbody tr").first).to_be_visible()
    tips = csv.DictReader(downloaded(page, "Tips"))
    days = asked(console, f"/api/admin/reward-analytics?{past}&source=ours")["reactions"]
    assert sum(int(tip["decisions"]) for tip in tips) == sum(day["decisions"] for day in days)

    seq = said(console, "/v1/feedback", user_id="nobody", action="helpful", decision_id="none-such")["seq"]
    other = said(console, "/v1/feedback", user_id="x", action="done", decision_id=decided(console, "y"))["seq"]
    console.wait_folded()
    page = admin.open("/admin/quality")
    expect(table(page, "Dead letters").get_by_role("row").filter(has_text=str(other))).to_be_visible()
    letters = {int(letter["seq"]): letter for letter in csv.DictReader(downloaded(page, "Dead letters"))}
    assert letters[other]["state"] == "open"
    assert seq not in letters, "it waits for its decision"


def downloaded(page: Page, title: str) -> list[str]:
    """The lines of the CSV behind a panel."""
    with page.expect_download() as saving:
        page.get_by_role("button", name=f"Download {title} as CSV").click()
    return saving.value.path().read_text().splitlines()


@pytest.fixture
def person(console: RunningSystem) -> str:
    """Somebody of this test's own, with two pulls."""
    user = f"learner-{datetime.now(UTC):%H%M%S%f}"
    for action in ("helpful", "done"):
        said(console, "/v1/feedback", user_id=user, action=action, decision_id=decided(console, user))
    console.wait_folded()
    return user


def test_a_bandit_is_reset_after_its_dry_run(admin: Visitor, console: RunningSystem, person: str) -> None:
    page = admin.open("/admin/experiments?user=nobody-of-this-name")
    expect(page.get_by_role("heading", name="Nobody of that id")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Reset"))).to_have_count(0)
    page = admin.open("/admin/experiments")
    page.get_by_label("Person", exact=True).fill(person)
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page).to_have_url(f"/admin/experiments?user={person}")
    pulls = value(page, "Pulls")
    expect(pulls).to_have_text("2")
    assert shown(page, "Cumulative reward") == "1.500"

    page.get_by_role("button", name="Reset…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 pulls with a reward of 1.500 would be forgotten")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert asked(console, f"/api/admin/experiments/users/{person}")["pulls"] == 2

    page.get_by_role("button", name="Reset…").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("they asked")
    page.get_by_role("dialog").get_by_role("button", name="Reset", exact=True).click()
    expect(pulls).to_have_text("0")
    assert asked(console, f"/api/admin/experiments/users/{person}")["pulls"] == 0


def test_everybodys_learning_is_shown(admin: Visitor, console: RunningSystem) -> None:
    page = admin.open("/admin/experiments")
    people = asked(console, "/api/admin/experiments/population")["figures"]["people"]
    expect(value(page, "People")).to_have_text(f"{people:,}")
    page.get_by_role("button", name="Show Distribution of pulls as a table").click()
    expect(table(page, "Distribution of pulls")).to_be_visible()


def test_drift_is_shown_with_its_band(admin: Visitor, console: RunningSystem) -> None:
    today = datetime.now(UTC).date()
    span = f"since={today - timedelta(days=1)}&until={today}"
    moved = asked(console, f"/api/admin/data-quality/drift?{span}")
    assert moved, "the history of the demo has decisions on each day"
    page = admin.open(f"/admin/quality?{span}")
    page.get_by_role("button", name="Show Drift as a table").click()
    first = table(page, "Drift").locator("tbody tr").first
    expect(first).to_contain_text(moved[0]["name"])
    expect(first).to_contain_text(moved[0]["band"])
    page.set_viewport_size({"width": 390, "height": 844})
    # What Drift is told against stands under the words, which would have a column of 100 pixels beside it.
    page.wait_for_function(
        "() => document.querySelector('section[aria-label=Drift] .panel-head > .grow').clientWidth > 200"
    )


def test_a_dead_letter_is_read_to_the_byte_and_skipped(admin: Visitor, console: RunningSystem) -> None:
    decision_id = decided(console, "its-owner")
    seq = said(console, "/v1/feedback", user_id="somebody-€lse", action="helpful", decision_id=decision_id)["seq"]
    console.wait_folded()
    (letter,) = [row for row in asked(console, "/api/admin/dead-letters") if row["seq"] == seq]
    raw = base64.b64decode(letter["data"])
    page = admin.open(f"/admin/quality?reason={letter['reason']}")
    row = table(page, "Dead letters").get_by_role("row").filter(has_text=str(seq))
    row.click()
    expect(page.get_by_label("As text (UTF-8)")).to_have_text(raw.decode())
    expect(page.get_by_label(f"As bytes ({len(raw)})")).to_contain_text(f"000000  {raw[:16].hex(' ')}")
    expect(page).to_have_url(f"/admin/quality?days=30&reason={letter['reason']}&letter={seq}")
    page.get_by_role("button", name="Skip", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Skip").click()
    expect(row).to_contain_text("skipped")
    after = {row["seq"]: row["skipped_by"] for row in asked(console, "/api/admin/dead-letters")}
    assert after[seq] == "admin"


def test_bytes_are_shown_sixteen_a_line_and_the_rest_is_counted() -> None:
    assert hexadecimal(b"no json\xff\x00 0123456789", most=16).splitlines() == [
        "000000  6e 6f 20 6a 73 6f 6e ff 00 20 30 31 32 33 34 35  no json.. 012345",
        "… and 4 more bytes",
    ]
    assert hexadecimal("€".encode()).splitlines() == ["000000  e2 82 ac" + " " * 41 + "..."]
    assert hexadecimal(b"") == ""


def test_home_says_the_five_figures_and_each_links_on(admin: Visitor, console: RunningSystem) -> None:
    page = admin.open("/admin")
    expect(page.locator("a.figure")).to_have_count(5)
    missing = asked(console, "/api/admin/data-quality?days=30")["daily"]
    values, imputed = (sum(row[name] for row in missing) for name in ("values", "imputed"))
    assert abs(float(shown(page, "Missing values").rstrip("%")) - 100 * imputed / values) < 0.5
    page.locator(".figure", has_text="Reacted to").click()
    expect(page).to_have_url("/admin/rewards?days=30")
