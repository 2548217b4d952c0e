"""Operations, Users and Accounts in a browser: what may be changed is planned, confirmed, done, and seen at once."""

import re
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Browser, Locator, Page, StorageState, expect

from tests.console.visitors import Visitor, choose, visitor
from tests.system.running import RunningSystem

LONG_S = 90_000
PASSWORD = "a password of tests"
ODD = ["a b.c/d", "*.>", "🌱 zoë", "?user=x&y#z", "x" * 300]


def agree(page: Page, action: str, reason: str = "") -> None:
    """Confirm in the dialog that is open."""
    dialog = page.get_by_role("dialog")
    if reason:
        dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_role("button", name=action, exact=True).click()
    expect(dialog).to_have_count(0)


def table(page: Page, name: str) -> Locator:
    """The table of that name."""
    return page.locator(f'.q-table__container[aria-label="{name}"]')


def decides(system: RunningSystem, user_id: str) -> str:
    """Which policy decides for somebody now."""
    answer = system.api.post("/v1/recommendations", json={"user_id": user_id})
    assert answer.status_code == 200, answer.text
    policy: str = answer.json()["policy"]
    return policy


def seen(system: RunningSystem, user_id: str) -> None:
    """Somebody with a tip and a reaction to it, folded."""
    answer = system.api.post("/v1/recommendations", json={"user_id": user_id}).json()
    body = {"user_id": user_id, "action": "done", "decision_id": answer["decision_id"]}
    assert system.api.post("/v1/feedback", json=body).status_code == 202
    system.wait_folded()


def cut(page: Page) -> list[str]:
    """The tables that are wider than their place."""
    found: list[str] = page.evaluate(
        "() => [...document.querySelectorAll('.q-table__container')]"
        ".filter(one => one.querySelector('.q-table__middle').scrollWidth > one.clientWidth + 1)"
        ".map(one => one.ariaLabel)"
    )
    return found


def test_the_next_decisions_avoid_a_policy_that_was_disabled(admin: Visitor) -> None:
    page = admin.open("/admin/ops")
    row = table(page, "Policies").get_by_role("row").filter(has_text="random")
    expect(row).to_contain_text("live")
    people = [f"policy-{number}" for number in range(60)]
    assert "random" in {decides(admin.system, user) for user in people}
    choose(page, "Policy", "random")
    choose(page, "Change", re.compile("^Disable"))
    page.get_by_role("button", name="Change…").click()
    expect(page.get_by_role("dialog")).to_contain_text("Who decides then: linucb 100.0%")
    agree(page, "Disable", "a test of disabling")
    expect(row).to_contain_text("disabled")
    # The change just made, although the history is folded beside what the policies stand in.
    expect(table(page, "Admin actions").locator("tbody tr").first).to_contain_text("a test of disabling")
    assert {decides(admin.system, user) for user in people} == {"linucb"}
    page.get_by_label("Text", exact=True).fill("a test of disabling")
    found = table(page, "Admin actions").get_by_role("row").filter(has_text="policy.disabled")
    expect(found).to_have_count(1)
    expect(found).to_contain_text("a test of disabling")
    expect(page).to_have_url(re.compile(r"text=a\+test"))
    choose(page, "Change", re.compile("^Enable"))
    page.get_by_label("Weight").fill("0.1")
    page.get_by_role("button", name="Change…").click()
    agree(page, "Enable")
    expect(row).to_contain_text("live")


def test_a_policy_is_asked_for_its_own_parameters_only(admin: Visitor) -> None:
    page = admin.open("/admin/ops")
    expect(page.get_by_label("alpha", exact=True)).to_be_visible()
    expect(page.get_by_label("temperature", exact=True)).to_be_hidden()
    choose(page, "Policy", "softmax")
    choose(page, "Change", re.compile("^Shadow"))
    expect(page.get_by_label("alpha", exact=True)).to_be_hidden()
    page.get_by_label("temperature", exact=True).fill("0.25")
    page.get_by_label("gamma", exact=True).fill("0.9")
    page.get_by_role("button", name="Change…").click()
    expect(page.get_by_role("dialog")).to_contain_text("Parameters: temperature 0.25, gamma 0.9")
    agree(page, "Shadow")
    row = table(page, "Policies").get_by_role("row").filter(has_text="softmax")
    expect(row).to_contain_text("shadow")
    expect(row).to_contain_text("gamma 0.9")
    choose(page, "Change", re.compile("^Disable"))
    expect(page.get_by_label("temperature", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Change…").click()
    agree(page, "Disable")
    expect(row).to_contain_text("disabled")


def test_a_policy_climbs_from_shadow_to_a_share_of_people(admin: Visitor) -> None:
    page = admin.open("/admin/ops")
    choose(page, "Policy", "softmax")
    choose(page, "Change", re.compile("^Shadow"))
    page.get_by_role("button", name="Change…").click()
    agree(page, "Shadow", "a test of the ladder")
    expect(table(page, "In shadow")).to_contain_text("softmax")
    people = [f"ladder-{number}" for number in range(60)]
    assert "softmax" not in {decides(admin.system, user) for user in people}
    choose(page, "Change", re.compile("^Roll out"))
    page.get_by_label("Share, %").fill("30")
    page.get_by_role("button", name="Change…").click()
    expect(page.get_by_role("dialog")).to_contain_text("softmax 30.0%")
    page.get_by_role("dialog").get_by_role("button", name="Rollout").click()
    expect(page.get_by_role("dialog")).to_contain_text("softmax has not shadowed for long enough")
    agree(page, "Force", "a test that cannot wait")
    row = table(page, "Policies").get_by_role("row").filter(has_text="softmax")
    expect(row).to_contain_text("30.0%")
    assert "softmax" in {decides(admin.system, user) for user in people}
    choose(page, "Change", re.compile("^Disable"))
    page.get_by_role("button", name="Change…").click()
    agree(page, "Disable")
    expect(row).to_contain_text("disabled")


def test_a_replay_is_planned_followed_to_equal_digests_and_switched_back(
    admin: Visitor, browser: Browser, session: StorageState
) -> None:
    page = admin.open("/admin/ops")
    page.get_by_label("Projections").click()
    for projection in ("analytics", "query", "scorer"):
        page.get_by_role("option", name=projection).click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Dry run").click()
    expect(table(page, "The plan")).to_contain_text("compared by digest, and switched to when equal")
    expect(page.get_by_text("Nothing has been touched")).to_be_visible()
    page.get_by_role("button", name="Replay…").click()
    agree(page, "Replay", "a test of replays")
    # The address has it once the replay is asked for, a moment after the dialogue has closed.
    expect(page).to_have_url(re.compile("replay="))
    with visitor(browser, admin.system, session=session) as later:
        other = later.open(page.url)
        expect(table(other, "Digests by table")).to_contain_text("tip_scores", timeout=LONG_S)
    expect(table(page, "What became of each projection")).to_contain_text("equal", timeout=LONG_S)
    expect(table(page, "What became of each projection")).to_contain_text("yes")
    expect(table(page, "Versions")).to_contain_text("one step back")
    page.get_by_role("button", name="Switch back", exact=True).click()
    page.get_by_role("button", name="Dry run").click()
    expect(table(page, "The plan")).to_contain_text("would be switched back to version")
    page.get_by_role("button", name="Switch back…").click()
    agree(page, "Switch back")
    expect(table(page, "What became of each projection")).to_contain_text("back from version", timeout=LONG_S)


def test_a_replay_that_nobody_asked_for_is_said_to_be_none(admin: Visitor) -> None:
    page = admin.open("/admin/ops?replay=nope")
    expect(page.get_by_role("heading", name="No replay of that id")).to_be_visible()


@pytest.mark.parametrize("user_id", ODD)
def test_anybody_is_found_whatever_their_id(admin: Visitor, user_id: str) -> None:
    seen(admin.system, user_id)
    page = admin.open("/admin/users")
    page.get_by_label("Search").fill(user_id)
    # Before the search is through, the rows still change places under a click.
    expect(page).to_have_url(f"/admin/users?{urlencode({'search': user_id})}")
    link = table(page, "People").get_by_role("link", name=user_id, exact=True)
    link.click()
    expect(page.get_by_label("User id")).to_have_text(user_id)
    expect(table(page, "What was learned")).to_contain_text("wellbeing.v1")
    wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    assert cut(page) == []
    assert page.evaluate("() => new Set([...document.querySelectorAll('.figure')].map(one => one.offsetTop)).size") == 1


def test_no_table_of_rewards_is_cut(admin: Visitor) -> None:
    page = admin.open("/admin/rewards?days=7")
    expect(table(page, "Tips").locator("tbody tr").first).to_be_visible()
    assert cut(page) == []


def test_of_a_person_who_got_no_tip_that_is_said_in_words(admin: Visitor) -> None:
    signal = {"user_id": "only signals", "source": "steps", "values": {"steps": 5200}}
    assert admin.system.api.post("/v1/signals", json=signal).status_code == 202
    admin.system.wait_folded()
    page = admin.open("/admin/users?user=only+signals")
    expect(table(page, "What is known")).to_contain_text("steps")
    expect(table(page, "Latest decisions")).to_contain_text("No tip was chosen for them yet.")
    expect(page.locator(".q-table__bottom .q-icon")).to_have_count(0)


def test_a_person_is_reset_after_a_dry_run_and_their_replay_has_equal_digests(admin: Visitor) -> None:
    seen(admin.system, "reset me/1")
    page = admin.open(f"/admin/users?user={quote('reset me/1')}")
    learned = table(page, "What was learned")
    page.get_by_role("button", name="Reset…").click()
    expect(page.get_by_role("dialog")).to_contain_text("1 pull with a reward of 1.000 would be forgotten")
    agree(page, "Reset", "they asked")
    expect(page.get_by_text(re.compile("^Forgotten: event"))).to_be_visible()
    expect(learned).not_to_contain_text("never")
    assert admin.system.api.get("/api/health").status_code == 200
    page.get_by_role("button", name="Replay…").click()
    expect(page.get_by_role("dialog")).to_contain_text("nothing is switched")
    agree(page, "Replay")
    expect(page.get_by_text("sqlite: digests equal")).to_be_visible(timeout=LONG_S)


def test_a_dialogue_that_is_left_gives_the_focus_back(admin: Visitor) -> None:
    seen(admin.system, "leave me")
    page = admin.open(f"/admin/users?user={quote('leave me')}")
    for name in ("Reset…", "Replay…", "Tips link…", "Erase…"):
        button, dialog = page.get_by_role("button", name=name), page.get_by_role("dialog")
        button.press("Enter")
        expect(dialog).to_be_visible()
        if name == "Replay…":
            dialog.get_by_role("button", name="Cancel").press("Enter")
        else:
            page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        expect(button).to_be_focused()
        assert admin.ring() == "solid 2px"


def test_an_erasure_wants_the_id_typed(admin: Visitor) -> None:
    seen(admin.system, "erase me")
    page = admin.open(f"/admin/users?user={quote('erase me')}")
    page.get_by_role("button", name="Erase…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("events (")
    expect(dialog.get_by_role("button", name="Erase")).to_be_disabled()
    dialog.get_by_label("Type erase me to go on").fill("erase me")
    expect(dialog.get_by_role("button", name="Erase")).to_be_enabled()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)


def test_a_key_is_made_shown_once_used_and_revoked(admin: Visitor) -> None:
    page = admin.open("/admin/accounts")
    page.get_by_role("button", name="Make a key").click()
    page.get_by_label("What it is for").fill("a test's key")
    page.get_by_role("button", name="Make it").click()
    token = page.get_by_label("The new key").inner_text()
    headers = {"Authorization": f"Bearer {token}"}
    assert admin.system.api.get("/api/admin/policies", headers=headers).status_code == 200
    page.reload()
    expect(table(page, "Keys")).to_contain_text("a test's key")
    expect(page.get_by_text(token)).to_have_count(0)
    page.get_by_role("button", name="Revoke a test's key").click()
    agree(page, "Revoke")
    expect(page.get_by_text("a test's key", exact=True)).to_have_count(0)
    assert admin.system.api.get("/api/admin/policies", headers=headers).status_code == 401


def test_a_viewer_is_offered_nothing_to_change(admin: Visitor, browser: Browser) -> None:
    page = admin.open("/admin/accounts")
    page.get_by_role("button", name="Add an account").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("vera")
    dialog.get_by_label("Password", exact=True).fill("short")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog.get_by_role("alert")).to_have_text("password: must have 10 to 1024 characters")
    expect(dialog.get_by_label("Name")).to_have_value("vera")
    dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(table(page, "Accounts")).to_contain_text("vera")
    seen(admin.system, "somebody")
    with visitor(browser, admin.system) as viewer:
        viewer.log_in("vera", PASSWORD)
        page = viewer.open("/admin/ops")
        expect(table(page, "Policies")).to_contain_text("linucb")
        expect(page.get_by_role("button", name=re.compile("Dry run|Change|Replay"))).to_have_count(0)
        page = viewer.open("/admin/users?user=somebody")
        expect(page.get_by_label("User id")).to_have_text("somebody")
        expect(page.get_by_role("button", name=re.compile("Reset|Replay|Erase"))).to_have_count(0)
        page = viewer.open("/admin/accounts")
        expect(table(page, "Roles and permissions")).to_contain_text("operate")
        expect(table(page, "Accounts")).to_have_count(0)
        page.get_by_role("button", name="Make a key").click()
        expect(page.get_by_role("checkbox")).to_have_count(1)
        page.get_by_role("button", name="Cancel").click()
