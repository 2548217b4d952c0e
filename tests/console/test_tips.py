"""The tips page, on a phone: somebody of the demo answers a tip and gets the next; outside the demo only by a link."""

import os
import re
import signal
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from services.accounts.tickets import Tickets
from services.accounts.visitors import LINK
from services.accounts.visitors import Visitor as Linked
from services.api.gate import VISITOR, VISITOR_COOKIE
from tests.console.visitors import Visitor, visitor
from tests.system.running import RunningSystem

READY = "[aria-disabled=false]"


def pulls(console: RunningSystem, user_id: str) -> int:
    learned: int = console.scorer.get(f"/stats/{user_id}").json()["pulls"]
    return learned


def test_somebody_reacts_to_a_tip_and_the_next_one_knows_it(phone: Visitor, console: RunningSystem) -> None:
    page = phone.open("/")
    page.get_by_role("link", name="demo-004").click()
    card = page.locator(".tips-card")
    expect(card.get_by_role("heading")).to_be_visible()
    expect(card.locator(".tips-reason")).to_have_text(re.compile(r"\w+.*\."))
    first, title = card.get_attribute("data-decision"), card.get_by_role("heading").inner_text()
    before = pulls(console, "demo-004")
    page.locator(f".tips-helpful{READY}").dblclick()
    expect(page.get_by_text("Glad it helped. Here is your next tip.")).to_be_visible()
    expect(card).not_to_have_attribute("data-decision", first or "")
    expect(card.get_by_role("heading")).not_to_have_text(title)
    # The simulated demo-004 may have answered another tip meanwhile; ours is counted once by its decision.
    assert pulls(console, "demo-004") > before
    console.wait_folded()
    given = console.sql(f"SELECT action, status, effect FROM feedback WHERE decision_id = '{first}'")
    assert given == [["helpful", "attributed", "pull"]]


def test_each_action_has_a_key_and_a_tip_without_an_answer_is_kept_over_a_reload(
    phone: Visitor, console: RunningSystem
) -> None:
    page = phone.open("/?user=demo-005")
    card = page.locator(".tips-card")
    for key, action in (("n", "not_helpful"), ("d", "done"), ("s", "snoozed"), ("x", "dismissed")):
        expect(page.locator(f".tips-done{READY}")).to_be_visible()
        decision = card.get_attribute("data-decision")
        page.keyboard.press(key)
        expect(card).not_to_have_attribute("data-decision", decision or "")
        console.wait_folded()
        assert console.sql(f"SELECT action FROM feedback WHERE decision_id = '{decision}'") == [[action]]
    kept = card.get_attribute("data-decision")
    page.reload()
    expect(card).to_have_attribute("data-decision", kept or "")


def test_an_answer_that_does_not_get_through_is_kept_and_can_be_tried_again(
    phone: Visitor, console: RunningSystem
) -> None:
    page = phone.open("/?user=demo-006")
    expect(page.locator(f".tips-done{READY}")).to_be_visible()
    decision = page.locator(".tips-card").get_attribute("data-decision")
    scorer = console.pid("scorer")
    assert scorer is not None
    os.kill(scorer, signal.SIGSTOP)
    try:
        page.locator(".tips-done").click()
        expect(page.get_by_text("Your answer is kept.")).to_be_visible(timeout=40_000)
    finally:
        os.kill(scorer, signal.SIGCONT)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(f".tips-done{READY}")).to_be_visible()
    expect(page.locator(".tips-card")).not_to_have_attribute("data-decision", decision or "")
    assert console.sql(f"SELECT count(*) FROM feedback WHERE decision_id = '{decision}'") == [[1]]


def test_it_is_accessible_and_as_wide_as_a_phone(
    browser: Browser, console: RunningSystem, scheme: Literal["light", "dark"]
) -> None:
    with visitor(browser, console, width=390, height=844, scheme=scheme) as phone:
        for address, seen in (("/", ".tips-person"), ("/?user=demo-007", f".tips-done{READY}")):
            page = phone.open(address)
            expect(page.locator(seen).first).to_be_visible()
            assert phone.violations() == []
            if seen != ".tips-person":
                page.locator(".tips-helpful").focus()
                page.keyboard.press("Tab")
                expect(page.locator(".tips-not_helpful")).to_be_focused()
                assert phone.ring() == "solid 2px"
            wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0


def test_a_link_opens_one_person_s_page_and_no_other(phone: Visitor, console: RunningSystem) -> None:
    path = console.run("link", "ann").split(str(console.api.base_url).rstrip("/"))[1].strip()
    page = phone.page
    page.goto(path)
    expect(page).to_have_url("/")
    expect(page.locator(f".tips-done{READY}")).to_be_visible()
    page.goto("/?user=demo-008")
    expect(page.locator(f".tips-done{READY}")).to_be_visible()
    decision = page.locator(".tips-card").get_attribute("data-decision")
    console.wait_folded()
    assert console.sql(f"SELECT user_id FROM tip_scores WHERE decision_id = '{decision}'") == [["ann"]]


@pytest.mark.parametrize(
    ("link", "said"),
    [("nonsense", "not one of ours"), ("expired", "has expired")],
)
def test_a_link_that_does_not_hold_is_explained(console: RunningSystem, link: str, said: str) -> None:
    if link == "expired":
        link = Linked("ann", 1_000_000_000).issue(Tickets(console.home / "keys"), LINK)
    answer = console.api.get("/", params={"link": link}, headers={"Authorization": ""})
    assert answer.status_code == 403
    assert said in answer.text
    assert "set-cookie" not in answer.headers


def test_a_cookie_whose_link_has_expired_opens_no_socket(console: RunningSystem) -> None:
    tickets = Tickets(console.home / "keys")
    socket = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"
    for until, status in ((1_000_000_000, 401), (None, 200)):
        cookie = f"{VISITOR_COOKIE}={Linked('ann', until).issue(tickets, VISITOR)}"
        answer = console.api.get(socket, headers={"Authorization": "", "Cookie": cookie})
        assert answer.status_code == status
