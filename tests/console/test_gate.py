"""Who sees the console: nobody without a session, and a session ends everywhere at once."""

from playwright.sync_api import Browser, expect

from console.app import PAGES
from console.frame import ENTRIES
from tests.console.visitors import Visitor, visitor
from tests.system.running import RunningSystem


def test_no_page_answers_without_a_session_and_login_leads_back(browser: Browser, console: RunningSystem) -> None:
    assert len(ENTRIES) >= 12
    assert len(PAGES) >= len(ENTRIES)
    for entry in ENTRIES:
        answer = console.api.get(entry.path, headers={"Accept": "text/html", "Authorization": ""})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={entry.path}")
    with visitor(browser, console) as stranger:
        stranger.page.goto("/admin/health?window=7")
        expect(stranger.page).to_have_url("/login?next=/admin/health%3Fwindow%3D7")
        stranger.page.get_by_label("Name").fill("admin")
        stranger.page.get_by_label("Password").fill("wrong")
        stranger.page.get_by_role("button", name="Log in").click()
        expect(stranger.page.get_by_role("alert")).to_have_text("Name or password is wrong.")
        # The browser itself reports the answer 401.
        stranger.troubles.clear()
        stranger.page.get_by_label("Password").fill("test-admin-password")
        stranger.page.get_by_role("button", name="Log in").click()
        expect(stranger.page).to_have_url("/admin/health?window=7")


def test_the_socket_answers_only_who_may_see_a_page(console: RunningSystem) -> None:
    address = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"
    assert console.api.get(address, headers={"Authorization": ""}).status_code == 401
    assert console.api.get(address).status_code == 403, "the API key opens no page"
    assert console.admin.get(address).status_code == 200


def test_logging_out_ends_the_session_for_every_window(browser: Browser, console: RunningSystem) -> None:
    with visitor(browser, console) as leaving:
        leaving.log_in()
        page = leaving.open("/admin/health")
        other = page.context.new_page()
        other.goto("/admin/users?user=demo-001")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        # What is open there can do nothing any more, and says how to go on where one is, for as long as it is open.
        heard = "() => { const tell = Quasar.Notify.create; Quasar.Notify.create = said => tell(window.said = said); }"
        other.evaluate(heard)
        other.get_by_role("button", name="Replay…").click()
        toast = other.get_by_role("alert").filter(has_text="The session has ended")
        white = "rgb(255, 255, 255)"
        expect(toast.get_by_role("button", name="Dismiss")).to_have_css("color", white)
        link = toast.get_by_role("link", name="Log in again")
        expect(link).to_have_css("color", white)
        assert other.evaluate("() => window.said.timeout") == 0
        link.click()
        expect(other).to_have_url("/login?next=%2Fadmin%2Fusers%3Fuser%3Ddemo-001")
        other.goto("/admin/users")
        expect(other).to_have_url("/login?next=/admin/users")


def test_a_session_outlives_a_restart_of_the_api(admin: Visitor, console: RunningSystem) -> None:
    admin.open("/admin/health")
    # An open page reports the connection that is cut, and loads itself again when it is back.
    admin.page.goto("about:blank")
    console.kill("api")
    console.wait_healthy()
    admin.open("/admin/users")
    expect(admin.page).to_have_url("/admin/users")
    expect(admin.page.get_by_role("heading", level=1)).to_have_text("Users")
