"""A real browser on a real running demo: pages that fail a test on a console error or a request to another host.

Everything here is synchronous, and no test of this folder is asynchronous: Playwright's loop and pytest-asyncio's
cannot share a thread. Without Chromium these tests are skipped, unless TIPSTREAM_TEST_BROWSER=required forbids it.
"""

import os
import shutil
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, StorageState, expect, sync_playwright

from tests.console.visitors import Visitor, visitor, window
from tests.system.running import RunningSystem

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = os.environ.get("TIPSTREAM_TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
REQUIRED = os.environ.get("TIPSTREAM_TEST_BROWSER") == "required"
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    # A page is looked at once: what its scripts would gain from the optimizing compilers costs more than they run.
    "--js-flags=--no-opt --no-maglev --min-semi-space-size=32",
)  # fmt: skip
PEOPLE, DAYS = 10, 8

# A busy machine takes its time; what never comes fails all the same.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    if CHROMIUM is None:
        said = "no Chromium on this machine: install Debian's chromium-headless-shell to test the console's pages"
        assert not REQUIRED, said
        pytest.skip(said)
    # A limit for a busy machine: nothing is waited for longer than it takes.
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def console(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """`tipstream up --demo` with few people and a short history; tests use people and queries of their own."""
    home = tmp_path_factory.mktemp("console") / "home"
    running = RunningSystem(home, "--demo", "--people", str(PEOPLE), "--days", str(DAYS), mlflow="on")
    running.start()
    running.wait_folded()
    yield running
    running.close()


@pytest.fixture(scope="package")
def office(browser: Browser, console: RunningSystem) -> Iterator[BrowserContext]:
    """The admin's browser, logged in; no test may end that session."""
    with visitor(browser, console) as found:
        found.log_in()
        found.page.close()
        yield found.page.context


@pytest.fixture
def session(office: BrowserContext) -> StorageState:
    """The admin's session, for another browser."""
    return office.storage_state()


@pytest.fixture
def admin(console: RunningSystem, office: BrowserContext) -> Iterator[Visitor]:
    """The admin, logged in, in a window of 1440 by 900 that is as a new one."""
    with window(office, console) as found:
        found.page.set_viewport_size({"width": 1440, "height": 900})
        found.page.emulate_media(color_scheme="light", reduced_motion="reduce")
        # Where it was left, it would point at something.
        found.page.mouse.move(0, 0)
        yield found


@pytest.fixture
def phone(browser: Browser, console: RunningSystem) -> Iterator[Visitor]:
    """Somebody on a phone, 390 pixels wide, not logged in, to whom everything moves as it does unless one asks not."""
    with visitor(browser, console, width=390, height=844, motion="no-preference") as found:
        yield found


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> Literal["light", "dark"]:
    """Both colour schemes, one after the other."""
    found: Literal["light", "dark"] = request.param
    return found
