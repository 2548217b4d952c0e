"""What holds of every page: it opens by its address, works at any width, and axe-core finds nothing grave."""

import pytest
from playwright.sync_api import expect

from console.app import PAGES
from console.frame import ENTRIES, Entry
from tests.console.visitors import Visitor
from tests.system.running import RunningSystem

assert PAGES

ABSURD = "99999999999999999999"
NUMBERS = (
    "/admin/events?seq", "/admin/users?offset", "/admin/ops?before", "/admin/quality?letter", "/admin/quality?days",
    "/admin/rewards?days", "/admin/experiments?days", "/admin/evaluation?days", "/admin/evaluation?young",
    "/admin/ops?statements", "/?again",
)  # fmt: skip


@pytest.mark.parametrize("value", ["abc", "", "-1", ABSURD])
def test_a_number_in_an_address_that_is_none_is_left_out(console: RunningSystem, value: str) -> None:
    for address in NUMBERS:
        answer = console.admin.get(f"{address}={value}", follow_redirects=True)
        said = f"{address}={value}: {answer.text[:300]}"
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), said


def test_a_page_of_an_absurd_number_is_the_first(admin: Visitor) -> None:
    page = admin.open(f"/admin/users?offset={ABSURD}")
    expect(page.get_by_role("cell", name="demo-").first).to_be_visible()
    page.get_by_role("link", name="Skip to the page").press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_a_title_begins_with_what_the_page_is_about(console: RunningSystem) -> None:
    for address, title in (
        ("/admin/users", "Users · Tipstream"), ("/admin/users?user=demo-001", "demo-001 · Users · Tipstream"),
        (f"/admin/recommendations?decision={'d' * 40}", f"{'d' * 24}… · Recommendations · Tipstream"),
        ("/admin/experiments?experiment=e-1", "e-1 · Experiments · Tipstream"),
        ("/admin/features?user=demo-001", "demo-001 · Features · Tipstream"),
    ):  # fmt: skip
        assert f"<title>{title}</title>" in console.admin.get(address).text


def test_where_no_page_is_the_frame_says_so_with_status_404(admin: Visitor, console: RunningSystem) -> None:
    answer = admin.page.goto("/admin/nonsense?x=1")
    assert answer is not None
    assert answer.status == 404
    page = admin.page
    expect(page).to_have_title("No such page · Tipstream")
    expect(page.get_by_text("Nothing is at /admin/nonsense.")).to_be_visible()
    # The browser itself reports the status.
    admin.troubles.clear()
    assert admin.violations() == []
    page.get_by_role("link", name="Go to Home").click()
    expect(page).to_have_url("/admin")
    assert console.admin.get("/admin/nonsense").json() == {"detail": "Not Found"}


def test_what_is_grave_is_found(admin: Visitor) -> None:
    admin.page.set_content(
        "<html lang=en><title>Faults</title><p>No landmark, as is moderate</p><button></button>"
        "<p style='color: #999; background: #fff'>Pale</p><img src='data:,'><p lang=nonsense>Words</p></html>"
    )
    found = [violation.split(":")[0] for violation in admin.violations()]
    assert found == [
        "button-name (critical)", "color-contrast (serious)", "image-alt (critical)", "valid-lang (serious)",
    ]  # fmt: skip


def test_nothing_moves_for_who_asks_for_less_motion(admin: Visitor) -> None:
    page = admin.open("/admin/ops")
    moving = """() => [...document.querySelectorAll('*')].filter(one => ['', '::before', '::after'].some(part => {
        const style = getComputedStyle(one, part);
        return style.animationName !== 'none' || style.transitionDuration.split(',').some(each => parseFloat(each));
    })).length"""
    assert page.evaluate(moving) == 0
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(moving) > 0


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.title)
def test_a_page_opens_everywhere_and_is_accessible(admin: Visitor, entry: Entry) -> None:
    page = admin.open(entry.path)
    expect(page.get_by_role("heading", level=1)).to_have_text(entry.title)
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.locator(".skeleton:visible")).to_have_count(0)
    assert admin.violations() == []
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("() => document.body.classList.contains('body--dark')")
    assert admin.violations() == []
    page.set_viewport_size({"width": 390, "height": 844})
    # Drawer and charts follow a new width a moment later; a page that stays too wide never gets there.
    page.wait_for_function("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
