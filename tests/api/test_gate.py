"""Who gets in where: every route is walked, without a key, with a wrong one, and with one that is not enough."""

import asyncio
import base64
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from services.paths import DECISION_ID, THE_REST, USER_ID
from tests.api.callers import API_KEY, PASSWORD, Door, open_door, settings_for
from tests.conftest import SHARED
from tests.room import room_for
from tests.servers import NatsServer

OPEN = {"/login", "/api/health", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json", "/static-offline-docs"}
OPEN |= {"/v1", f"/v1/{THE_REST}"}  # what is not there
PLACES = {
    USER_ID: "ada",
    DECISION_ID: "d",
    THE_REST: "stats/ada",
    "{replay_id}": "r",
    "{query_id}": "q",
    "{experiment_id}": "e",
    "{seq}": "1",
    "{name}": "n",
    "{key_id}": "k",
}

pytestmark = SHARED


@pytest.fixture
def door(shared_door: Door) -> Door:
    """One for all, and nobody is logged in."""
    for client in (shared_door.caller, shared_door.admin, shared_door.stranger):
        client.cookies.clear()
    return shared_door


def routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    """(method, path with ids filled in) of every route that is not open to all."""
    for route in iter_route_contexts(app.routes):
        assert route.path is not None
        if route.path in OPEN:
            continue
        path = route.path
        for place, value in PLACES.items():
            path = path.replace(place, value)
        assert "{" not in path, f"say what {route.path} is called with"
        for method in route.methods or ():
            yield method, path


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


WRONG = [
    "Bearer nope",
    "Bearer",
    f"Token {API_KEY}",
    basic("admin", "nope"),
    basic("root", PASSWORD),
    "Basic %%%",
    "\xff",
]


@pytest.mark.parametrize("authorization", [None, *WRONG])
async def test_without_a_key_that_holds_no_closed_route_answers(door: Door, authorization: str | None) -> None:
    walked = list(routes_of(door.app))
    assert len(walked) > 25
    headers = {} if authorization is None else {b"Authorization": authorization.encode("latin-1")}
    for method, path in walked:
        answer = await door.stranger.request(method, path, headers=headers)
        assert answer.status_code == 401, f"{method} {path}: {answer.text}"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"]


async def test_the_api_key_opens_no_admin_route(door: Door) -> None:
    walked = [(method, path) for method, path in routes_of(door.app) if not path.startswith("/v1/")]
    assert len(walked) > 20
    for method, path in walked:
        answer = await door.caller.request(method, path)
        assert answer.status_code == 403, f"{method} {path}: {answer.text}"


async def test_the_admin_password_opens_every_route_as_bearer_and_as_basic(door: Door) -> None:
    async def opens(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        for method, path in routes_of(door.app):
            answer = await client.request(method, path, headers=headers)
            assert answer.status_code not in (401, 403), f"{method} {path}: {answer.text}"

    await opens(door.admin, {})
    await opens(door.stranger, {"Authorization": basic("admin", PASSWORD)})


async def test_a_browser_on_another_site_cannot_change_anything(door: Door) -> None:
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 202), ("none", 202)):
        answer = await door.admin.post("/api/admin/users/ada/reset", headers={"Sec-Fetch-Site": site})
        assert answer.status_code == status


async def test_an_origin_that_is_no_address_is_another_site(door: Door) -> None:
    for client, path in ((door.stranger, "/login"), (door.admin, "/api/admin/users/ada/reset")):
        answer = await client.post(path, headers={"Origin": "http://["})
        assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("target", ["//[", "//[::1", "http://[", "/admin/models//["])
async def test_login_leads_home_where_next_is_no_page_of_this_site(door: Door, target: str) -> None:
    where = target if target.startswith("/admin") else "/admin"
    answer = await door.stranger.post("/login", data={"name": "admin", "password": PASSWORD, "next": target})
    assert (answer.status_code, answer.headers["location"]) == (303, where)
    answer = await door.stranger.get("/login", params={"next": target})
    assert (answer.status_code, answer.headers["location"]) == (303, where)


async def test_ten_wrong_passwords_a_minute_are_the_most_at_once_too(shared_server: NatsServer) -> None:
    # An API of its own: the wrong passwords stay counted.
    async with open_door(settings_for(shared_server.home, shared_server)) as door:

        async def log_in(name: str, password: str) -> int:
            return (await door.stranger.post("/login", data={"name": name, "password": password})).status_code

        for _ in range(12):
            assert await log_in("admin", PASSWORD) == 303
        said = await asyncio.gather(*(log_in("admin", f"guess {number}") for number in range(30)))
        assert sorted(said) == [401] * 10 + [429] * 20
        assert await log_in("admin", PASSWORD) == 429
        assert await log_in("somebody", "else") == 401


async def test_open_routes_need_no_key_and_an_unknown_one_is_a_problem_document(door: Door) -> None:
    for path in ("/login", "/docs", "/openapi.json"):
        assert (await door.stranger.get(path)).status_code == 200
    for client, path, status in (
        (door.stranger, "/v1/nowhere", 404),
        (door.stranger, "/nowhere", 401),
        (door.admin, "/nowhere", 404),
    ):
        answer = await client.get(path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"


async def test_openapi_describes_each_route_and_its_problems(door: Door) -> None:
    schema = (await door.stranger.get("/openapi.json")).json()
    assert "ProblemDocument" in schema["components"]["schemas"]
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            if path in OPEN:
                continue
            assert "401" in operation["responses"], f"{method} {path}"
            assert operation["security"], f"{method} {path}"
            success = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
            assert success["content"] or path.startswith("/api/ml/"), f"{method} {path}"


async def test_on_a_full_disk_whoever_is_in_can_look_and_others_are_told_why_not(door: Door) -> None:
    form = {"name": "admin", "password": PASSWORD}
    assert (await door.stranger.post("/login", data=form)).status_code == 303
    cookies = dict(door.stranger.cookies)
    door.stranger.cookies.clear()
    with room_for(0):
        refused = await door.stranger.post("/login", data=form)
        door.stranger.cookies.update(cookies)
        seen = await door.stranger.get("/api/admin/accounts")
        changed = await door.admin.post("/api/admin/keys", json={"name": "admin", "label": "x", "scopes": ["view"]})
    assert (refused.status_code, "Nobody can log in now: HOME/accounts.sqlite" in refused.text) == (503, True)
    assert seen.status_code == 200
    assert changed.status_code == 503
    assert "make room on its disk" in changed.json()["detail"]
