"""Somebody at a browser: opens pages of the console, and nothing that goes wrong there stays unnoticed."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import axe_playwright_python
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, StorageState, expect

from tests.system.running import PASSWORD, RunningSystem

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
GRAVE = frozenset({"serious", "critical"})


@dataclass
class Visitor:
    """A browser window of its own; `page` is Playwright's, `troubles` what went wrong on the pages so far."""

    page: Page
    system: RunningSystem
    troubles: list[str] = field(default_factory=list)

    def log_in(self, name: str = "admin", password: str = PASSWORD) -> None:
        """Log in by the form."""
        self.page.goto("/login")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url("**/admin*")

    def open(self, address: str) -> Page:
        """Open an address and wait until its socket is connected."""
        self.page.goto(address)
        connected = "document.querySelector('#app') ? window.did_handshake : document.querySelector('#main')"
        self.page.wait_for_function(f"() => {connected}")
        return self.page

    def violations(self) -> list[str]:
        """The serious and critical findings of axe-core on the page that is shown."""
        self.page.evaluate(AXE)
        # Whatever passes is not described, which takes axe-core a quarter of its time, and what could only be mild is
        # not looked for: each rule has one impact.
        run = """async grave => {
            const mild = axe._audit.rules.filter(rule => rule.impact && !grave.includes(rule.impact));
            const rules = Object.fromEntries(mild.map(rule => [rule.id, {enabled: false}]));
            return (await axe.run(document, {resultTypes: ['violations'], rules})).violations;
        }"""
        found: list[dict[str, Any]] = self.page.evaluate(run, sorted(GRAVE))
        return [
            f"{finding['id']} ({finding['impact']}): {finding['help']}: "
            + "; ".join(" ".join(node["target"]) for node in finding["nodes"][:5])
            for finding in found
            if finding["impact"] in GRAVE
        ]

    def ring(self) -> str:
        """The outline of what has the focus, without its colour."""
        outline: str = self.page.evaluate("() => getComputedStyle(document.activeElement).outline")
        return outline.rpartition(") ")[2]

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.troubles.append(f"{self.page.url}: {message.text}")

    def _on_error(self, error: Error) -> None:
        self.troubles.append(f"{self.page.url}: {error}")

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self.system.api.base_url.netloc.decode():
            self.troubles.append(f"{self.page.url} asked another host: {request.url}")


@contextmanager
def visitor(
    browser: Browser,
    system: RunningSystem,
    *,
    width: int = 1440,
    height: int = 900,
    scheme: Literal["light", "dark"] = "light",
    motion: Literal["reduce", "no-preference"] = "reduce",
    session: StorageState | None = None,
) -> Iterator[Visitor]:
    """A window of a browser of its own, logged in where a session is given.

    It asks for no motion: what moves is painted anew sixty times a second, a third of a browser's time in these tests.
    """
    context = browser.new_context(
        base_url=str(system.api.base_url), viewport={"width": width, "height": height}, color_scheme=scheme,
        accept_downloads=True, storage_state=session, reduced_motion=motion,
    )  # fmt: skip
    context.set_default_timeout(20_000)
    try:
        with window(context, system) as found:
            yield found
    finally:
        context.close()


@contextmanager
def window(context: BrowserContext, system: RunningSystem) -> Iterator[Visitor]:
    """The window of a browser, as empty afterwards as before; nothing may have gone wrong on its pages.

    It is the one that was there last: its process has the scripts compiled, which a new one takes a third longer for.
    """
    page = context.pages[0] if context.pages else context.new_page()
    found = Visitor(page, system)
    heard = (("console", found._on_console), ("pageerror", found._on_error), ("request", found._on_request))
    for event, listener in heard:
        page.on(event, listener)  # type: ignore[call-overload]
    try:
        yield found
    finally:
        for other in context.pages:
            if other is not page:
                other.close()
        if not page.is_closed():
            try:
                page.goto("about:blank")
            except Error:
                page.close()
                raise
        for event, listener in heard:
            page.remove_listener(event, listener)
    assert not found.troubles, "\n".join(found.troubles)


def choose(page: Page, field: str, option: str | re.Pattern[str]) -> None:
    """Choose in a drop-down, and wait until its list has closed.

    A second list that is opened meanwhile takes the focus only once the first is gone, whatever is typed in by then.
    """
    page.get_by_label(field, exact=True).first.click()
    page.get_by_role("option", name=option).click()
    expect(page.get_by_role("listbox")).to_have_count(0)
