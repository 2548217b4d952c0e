"""What holds of every page: it opens by its address, works at any width, and axe-core finds nothing grave."""

import pytest
from playwright.sync_api import expect

from console.app import PAGES
from console.frame import ENTRIES, Entry
from tests.console.visitors import Visitor

assert PAGES


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.title)
def test_a_page_opens_everywhere_and_is_accessible(admin: Visitor, entry: Entry) -> None:
    page = admin.open(entry.path)
    expect(page.get_by_role("heading", level=1)).to_have_text(entry.title)
    expect(page.locator(".skeleton:visible")).to_have_count(0)
    assert admin.violations() == []
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("() => document.body.classList.contains('body--dark')")
    assert admin.violations() == []
    page.set_viewport_size({"width": 390, "height": 844})
    # Drawer and charts follow a new width a moment later; a page that stays too wide never gets there.
    page.wait_for_function("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
