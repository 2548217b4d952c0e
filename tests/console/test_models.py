"""The Models page: what is registered and promoted, and MLflow's own interface in its frame, behind the gate."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

from tests.console.visitors import Visitor, choose
from tests.registry.cards import registered
from tests.system.running import RunningSystem

# MLflow starts beside the rest, and behind it on a busy machine.
START_MS = 240_000
API = "/admin/models/api/2.0/mlflow"

pytestmark = pytest.mark.timeout(400)


def register(console: RunningSystem, name: str, card: str) -> None:
    """A version with a card and the alias champion."""

    def post(path: str, **body: object) -> dict[str, dict[str, dict[str, str]]]:
        answer = console.admin.post(f"{API}/{path}", json=body)
        assert answer.status_code == 200, answer.text
        said: dict[str, dict[str, dict[str, str]]] = answer.json()
        return said

    run = post("runs/create", experiment_id="0", run_name="fit")["run"]["info"]
    post("registered-models/create", name=name)
    source = f"{run['artifact_uri']}/model"
    post("model-versions/create", name=name, source=source, run_id=run["run_id"], description=card)
    post("registered-models/alias", name=name, alias="champion", version="1")


def registered_here(console: RunningSystem, name: str) -> str:
    """The id of a version whose card is whole."""
    mlflow_url = f"http://127.0.0.1:{console.ports['MLFLOW_PORT']}"
    with ThreadPoolExecutor() as other_thread:
        # Playwright's loop runs in this one.
        return other_thread.submit(asyncio.run, registered(mlflow_url, name)).result()


def test_mlflow_s_interface_opens_in_its_frame_and_its_address_can_be_shared(
    admin: Visitor, console: RunningSystem
) -> None:
    page = admin.open("/admin/models")
    frame = page.frame_locator("iframe[title=MLflow]")
    expect(frame.get_by_role("heading", name="Registered Models")).to_be_visible(timeout=START_MS)
    expect(page.get_by_text("The command tipstream train makes one.")).to_be_visible()
    frame.get_by_role("link", name="Experiments").first.click()
    expect(page).to_have_url(re.compile("at=%2Fexperiments"))
    page.goto(page.url)
    expect(frame.get_by_role("heading", name="Experiments").first).to_be_visible()


def test_a_version_is_listed_with_its_alias_and_opens_its_card(admin: Visitor, console: RunningSystem) -> None:
    page = admin.open("/admin/models")
    expect(page.locator("iframe[title=MLflow]")).to_be_attached(timeout=START_MS)
    register(console, "tried", "## Made for a test\n\nIt knows nothing.")
    row = page.get_by_role("row").filter(has_text="tried/1")
    expect(row).to_contain_text("champion")
    row.press("Enter")
    expect(page.get_by_role("heading", name="Made for a test")).to_be_visible()
    expect(page).to_have_url(re.compile("version=tried%2F1"))
    assert admin.violations() == []


def test_a_model_without_a_training_window_is_told_where_drift_is_asked_against_it(
    admin: Visitor, console: RunningSystem
) -> None:
    register(console, "windowless", "## By hand")
    page = admin.open("/admin/quality")
    for reference, shown in (("Training of windowless/1", 1), ("The window before", 0)):
        choose(page, "Against", reference)
        expect(page.get_by_text("windowless/1 has no model/card.json")).to_have_count(shown)
    expect(page).to_have_url(re.compile("against=before"))


def test_a_version_is_promoted_after_its_dry_run_and_rolled_back(admin: Visitor, console: RunningSystem) -> None:
    page = admin.open("/admin/models")
    expect(page.locator("iframe[title=MLflow]")).to_be_attached(timeout=START_MS)
    registered_here(console, "shown")
    row = page.get_by_role("row").filter(has_text="shown/1").first
    row.press("Enter")
    expect(page.get_by_text("Never promoted.")).to_be_visible()
    for button, said, agree in (
        ("Promote…", "neutral → shown/1", "Promote"),
        ("Roll back…", "shown/1 → neutral", "Roll back"),
    ):
        page.get_by_role("button", name=button).click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text(f"wellbeing.v1: {said}")).to_be_visible()
        dialog.get_by_label("Reason").fill("tried in a test")
        dialog.get_by_role("button", name=agree).click()
        expect(dialog).not_to_be_visible()
        version = said.partition(" → ")[2]
        promotions = page.get_by_label("Promotions", exact=True).first
        expect(promotions.get_by_role("row").nth(1)).to_contain_text(version)
    expect(page.get_by_text("replaced by neutral")).to_be_visible()
    # While a notification fades, its contrast is whatever it happens to be.
    expect(page.locator(".q-notification")).to_have_count(0)
    assert admin.violations() == []


def test_a_version_is_put_into_shadow_counted_and_withdrawn_by_keyboard(admin: Visitor, console: RunningSystem) -> None:
    page = admin.open("/admin/models")
    expect(page.locator("iframe[title=MLflow]")).to_be_attached(timeout=START_MS)
    registered_here(console, "along")
    page.get_by_label("Versions", exact=True).first.get_by_role("row").filter(has_text="along/1").press("Enter")
    for button, said, agree, state in (
        ("Shadow…", "wellbeing.v1 in shadow: none → along/1", "Shadow", "in shadow"),
        ("Withdraw…", "It no longer scores along", "Withdraw", "withdrawn"),
    ):
        page.get_by_role("button", name=button).press("Enter")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text(said)
        dialog.get_by_label("Reason").fill("tried in a test")
        dialog.get_by_role("button", name=agree).press("Enter")
        expect(dialog).not_to_be_visible()
        shadows = page.get_by_label("Shadows", exact=True).first.get_by_role("row").filter(has_text="along/1")
        expect(shadows).to_contain_text(state)
        made = console.api.post("/v1/recommendations", json={"user_id": "somebody"})
        assert made.status_code == 200
        expect(shadows).to_contain_text("%", timeout=60_000)
        expect(page.get_by_role("row").filter(has_text=f"{state}, ").filter(has_text="alike").first).to_be_visible()
    expect(page.get_by_text("withdrawn from shadow")).to_be_visible()
    # While a notification fades, its contrast is whatever it happens to be.
    expect(page.locator(".q-notification")).to_have_count(0)
    assert admin.violations() == []


def test_without_a_session_no_path_of_mlflow_answers(console: RunningSystem) -> None:
    for method, path in (
        ("GET", "/"),
        ("GET", "/static-files/favicon.ico"),
        ("POST", "/ajax-api/2.0/mlflow/runs/search"),
    ):
        answer = console.api.request(method, f"/admin/models{path}", headers={"Authorization": ""})
        assert answer.status_code == 401, path
    page = console.api.get("/admin/models/", headers={"Authorization": "", "Accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=/admin/models/")
