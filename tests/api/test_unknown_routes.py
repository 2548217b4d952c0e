"""What no route answers is a problem document in the API's own folders, although the console's pages take the rest."""

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tests.api.callers import Door
from tests.conftest import SHARED

pytestmark = SHARED


@pytest.fixture(scope="module")
def door_with_pages(shared_door: Door) -> Door:
    """The API with pages behind its routes, as the console puts them there."""

    async def page(_: Request) -> Response:
        return HTMLResponse("<html>no such page</html>", 404)

    shared_door.app.mount("/", Route("/{path:path}", page, methods=["GET", "POST", "PUT", "DELETE"]))
    return shared_door


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["title"]


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/feedback/", "/v1", "/api/nothing", "/api/admin/nothing/at/all"])
async def test_what_is_not_there_is_said_in_a_problem_document(door_with_pages: Door, path: str) -> None:
    for method in ("GET", "POST", "DELETE", "TRACE"):
        assert problem(await door_with_pages.admin.request(method, path)) == (404, "Not Found")


async def test_a_wrong_method_is_told_with_the_right_ones(door_with_pages: Door) -> None:
    answer = await door_with_pages.caller.put("/v1/feedback", json={})
    assert problem(answer) == (405, "Method Not Allowed")
    assert answer.headers["allow"] == "POST"
    assert problem(await door_with_pages.caller.request("TRACE", "/v1/feedback")) == (405, "Method Not Allowed")
    answer = await door_with_pages.admin.delete("/api/admin/policies")
    assert problem(answer) == (405, "Method Not Allowed")
    assert answer.headers["allow"] == "GET, POST"


async def test_other_addresses_stay_the_pages(door_with_pages: Door) -> None:
    answer = await door_with_pages.admin.get("/elsewhere")
    assert "no such page" in answer.text
