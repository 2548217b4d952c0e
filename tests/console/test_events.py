"""The Events page: filled at once, filtered, held still at a touch, moved in by keyboard, each event opened beside."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest
from playwright.sync_api import Locator, Page, expect

from contracts.envelope import Message
from services.bus.jetstream import JetStreamBus
from services.publishing import new_id
from tests.console.visitors import Visitor
from tests.system.running import RunningSystem


def react(console: RunningSystem, user_id: str, *actions: str) -> int:
    """Publish what somebody did; the last one's sequence."""
    seq = 0
    for action in actions:
        answer = console.api.post("/v1/feedback", json={"user_id": user_id, "action": action})
        assert answer.status_code == 202, answer.text
        seq = answer.json()["seq"]
    return seq


def rows(page: Page) -> Locator:
    return page.get_by_role("grid", name="Events").get_by_role("row").filter(has=page.get_by_role("gridcell"))


def says(page: Page) -> Locator:
    return rows(page).locator("div:nth-child(5)")


def test_it_is_filled_at_once_and_followed_by_person_and_pattern(admin: Visitor, console: RunningSystem) -> None:
    react(console, "tail ♥", "helpful", "done", "snoozed")
    page = admin.open("/admin/events?user=tail ♥")
    on = "on the latest decision"
    expect(says(page)).to_have_text([f"snoozed {on}", f"done {on}", f"helpful {on}"])
    page.keyboard.press("/")
    expect(page.get_by_label("Subject", exact=True)).to_be_focused()
    page.keyboard.type("tips.feedback.done.*")
    expect(says(page)).to_have_text([f"done {on}"])
    expect(page).to_have_url(re.compile(r"subject=tips\.feedback\.done\.%2A&user=tail"))
    react(console, "tail ♥", "helpful", "done")
    expect(says(page)).to_have_text([f"done {on}", f"done {on}"])
    page.reload()
    expect(says(page)).to_have_text([f"done {on}", f"done {on}"])
    page.get_by_label("User", exact=True).fill("nobody at all")
    expect(page.get_by_role("link", name="Show all events")).to_be_visible()
    assert admin.violations() == []
    page.get_by_role("link", name="Show all events").click()
    expect(rows(page).nth(10)).to_be_visible()


def test_a_pattern_that_is_none_is_refused_and_the_list_stays(admin: Visitor, console: RunningSystem) -> None:
    react(console, "tail-pattern", "helpful")
    page = admin.open("/admin/events?user=tail-pattern")
    expect(rows(page)).to_have_count(1)
    page.get_by_label("Subject", exact=True).fill("tips..ann")
    expect(page.get_by_text("is no subject pattern")).to_be_visible()
    react(console, "tail-pattern", "done")
    expect(rows(page)).to_have_count(2)


def test_paused_or_pointed_at_it_stands_still_and_counts(admin: Visitor, console: RunningSystem) -> None:
    react(console, "tail-still", "helpful")
    page = admin.open("/admin/events?user=tail-still")
    expect(rows(page)).to_have_count(1)
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Go on")).to_have_attribute("aria-pressed", "true")
    react(console, "tail-still", "done", "helpful")
    expect(page.get_by_role("button", name="2 new")).to_be_visible()
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Go on").click()
    expect(rows(page)).to_have_count(3)
    rows(page).nth(1).hover()
    react(console, "tail-still", "done")
    pill = page.get_by_role("button", name="1 new")
    expect(pill).to_be_visible()
    expect(rows(page)).to_have_count(3)
    pill.click()
    expect(rows(page)).to_have_count(4)
    react(console, "tail-still", "snoozed")
    expect(page.get_by_role("button", name="1 new")).to_be_visible()
    page.mouse.move(2, 2)
    expect(rows(page)).to_have_count(5)


def test_an_event_opens_beside_the_list_with_its_causes(admin: Visitor, console: RunningSystem) -> None:
    answer = console.api.post("/v1/recommendations", json={"user_id": "tail-causes"})
    assert answer.status_code == 200, answer.text
    decision: dict[str, Any] = answer.json()
    console.wait_folded()
    reaction = react(console, "tail-causes", "helpful")
    console.wait_folded()
    page = admin.open("/admin/events?user=tail-causes")
    expect(rows(page)).to_have_count(2)
    event = page.get_by_role("complementary", name="Event")
    page.get_by_role("grid", name="Events").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(event.get_by_role("heading", name="FeedbackReceived")).to_be_visible()
    expect(page).to_have_url(re.compile(rf"seq={reaction}\b"))
    expect(rows(page).first).to_have_attribute("aria-selected", "true")
    assert admin.violations() == []
    event.get_by_role("link", name=f"{decision['policy']} chose {decision['tips'][0]['tip_id']}").click()
    expect(event.get_by_role("heading", name="TipScored")).to_be_visible()
    expect(event.get_by_role("region", name="Body")).to_contain_text(f'"decision_id": "{decision["decision_id"]}"')
    expect(event.get_by_role("region", name="Headers")).to_contain_text("tipstream.tip.scored.v1")
    expect(event.get_by_role("link", name="helpful, attributed (pull)")).to_be_visible()
    expect(event.get_by_role("link", name="Why this tip was chosen")).to_have_attribute(
        "href", f"/admin/recommendations?decision={decision['decision_id']}"
    )
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    event.get_by_role("button", name="Copy the event as JSON").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    # The browser is still writing when the page says so.
    page.wait_for_function("() => navigator.clipboard.readText()")
    copied = orjson.loads(page.evaluate("() => navigator.clipboard.readText()"))
    assert copied["body"]["decision_id"] == decision["decision_id"]
    page.keyboard.press("Escape")
    expect(event).to_be_hidden()
    expect(page).not_to_have_url(re.compile("seq="))


def test_any_event_of_the_stream_opens_by_its_address(admin: Visitor, console: RunningSystem) -> None:
    page = admin.open("/admin/events?seq=1")
    event = page.get_by_role("complementary", name="Event")
    expect(event.get_by_role("heading", name="StreamStarted")).to_be_visible()
    event.get_by_role("button", name="Close the event").click()
    expect(event).to_be_hidden()
    page = admin.open("/admin/events?seq=999999999")
    expect(event.get_by_role("alert")).to_contain_text("there is no event 999999999")


@pytest.fixture
def malformed(console: RunningSystem) -> int:
    """The sequence of bytes that are no event."""

    async def publish() -> int:
        bus = await JetStreamBus.connect(console.nats_url, name="test")
        try:
            headers = {"Nats-Msg-Id": new_id()}
            return (await bus.publish(Message("tips.feedback.helpful.tail-bad", headers, b"<b>\xff</b>"))).seq
        finally:
            await bus.close()

    # Playwright's loop runs in this thread.
    with ThreadPoolExecutor(1) as another:
        return another.submit(asyncio.run, publish()).result()


def test_what_is_no_event_is_shown_as_such_with_its_bytes(admin: Visitor, malformed: int) -> None:
    page = admin.open("/admin/events?user=tail-bad")
    expect(says(page)).to_contain_text(["not_json"])
    rows(page).first.click()
    event = page.get_by_role("complementary", name="Event")
    expect(event.get_by_role("alert")).to_contain_text("Not counted: not_json")
    expect(event.get_by_role("region", name="Body")).to_have_text("<b>\ufffd</b>")
    expect(event.get_by_role("region", name="Bytes")).to_have_text("3c 62 3e ff 3c 2f 62 3e")
    expect(page).to_have_url(re.compile(rf"seq={malformed}\b"))


def test_what_is_shown_is_downloaded_as_json_lines(admin: Visitor, console: RunningSystem) -> None:
    last = react(console, "tail-download", "helpful", "done")
    page = admin.open("/admin/events?user=tail-download")
    expect(rows(page)).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download what is shown as JSON lines").click()
    assert download.value.suggested_filename == "events.jsonl"
    lines = [orjson.loads(line) for line in Path(download.value.path()).read_bytes().splitlines()]
    assert [line["body"]["action"] for line in lines] == ["helpful", "done"]
    assert lines[-1]["seq"] == last


def test_it_can_be_used_on_a_phone(phone: Visitor, console: RunningSystem) -> None:
    phone.log_in()
    react(console, "tail-phone", "helpful")
    page = phone.open("/admin/events?user=tail-phone")
    menu, home = page.get_by_role("button", name="Show or hide the pages"), page.get_by_role("link", name="Home")
    menu.click()
    expect(home).to_be_in_viewport()
    home.press("Escape")
    expect(home).not_to_be_in_viewport()
    expect(menu).to_be_focused()
    rows(page).first.click()
    event = page.get_by_role("complementary", name="Event")
    expect(event.get_by_role("heading", name="FeedbackReceived")).to_be_in_viewport()
    event.get_by_role("button", name="Close the event").click()
    expect(event).to_be_hidden()
