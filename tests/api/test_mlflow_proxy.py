"""What is passed on to MLflow and back, and what is not; the server behind it tells what it received."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from services.api.mlflow_proxy import ARTIFACT_BYTES, BODY_BYTES, check_path
from services.bus.jetstream import JetStreamBus
from services.problems import Problem
from tests.api.callers import PASSWORD, Door, open_door, settings_for
from tests.conftest import SHARED
from tests.servers import NatsServer

pytestmark = SHARED

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


async def echo(request: Request) -> Response:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    path = request.scope["raw_path"].decode()
    heard = {"method": request.method, "path": path, "query": request.url.query, "size": size}
    answer = JSONResponse({**heard, "headers": dict(request.headers)})
    answer.set_cookie("session", "stolen")
    answer.headers["X-Of-MLflow"] = "kept"
    answer.headers["Connection"] = "X-One-Hop"
    answer.headers["X-One-Hop"] = "dropped"
    return answer


async def moved(request: Request) -> Response:
    return RedirectResponse(str(request.url.replace(path="/admin/models/there", query="a=1")))


async def packed(_: Request) -> Response:
    return Response(gzip.compress(b"as it is"), headers={"Content-Encoding": "gzip"})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(shared_server: NatsServer, shared_bus: JetStreamBus) -> AsyncIterator[Door]:
    """The API before a server that echoes."""
    routes = [Route("/admin/models/moved", moved), Route("/admin/models/packed", packed)]
    behind = Starlette(routes=[*routes, Route("/{path:path}", echo, methods=METHODS)])
    settings = settings_for(shared_server.home, shared_server, mlflow="on")
    async with open_door(settings, mlflow=httpx.ASGITransport(behind)) as door:
        yield door


async def test_each_method_goes_through_with_its_path_and_query_as_they_were_sent(proxy: Door) -> None:
    for method in METHODS:
        answer = await proxy.admin.request(method, "/admin/models/a%20b/%C3%A9?x=%2F&y=1")
        assert answer.status_code == 200, method
        if method != "HEAD":
            heard = answer.json()
            assert (heard["method"], heard["path"], heard["query"]) == (
                method,
                "/admin/models/a%20b/%C3%A9",
                "x=%2F&y=1",
            )
    assert (await proxy.admin.get("/admin/models/")).json()["path"] == "/admin/models/"


async def test_keys_cookies_and_who_asks_are_kept_back(proxy: Door) -> None:
    told = {
        "Cookie": "session=ours",
        "Origin": "http://api",
        "Referer": "http://api/admin/models",
        "X-Forwarded-For": "127.0.0.1",
        "X-Real-IP": "127.0.0.1",
        "Forwarded": "for=127.0.0.1",
        "Accept-Encoding": "br",
        "Connection": "keep-alive, X-Private",
        "X-Private": "one hop",
        "X-Kept": "yes",
    }
    answer = await proxy.admin.post("/admin/models/x", headers=told, content=b"12345")
    heard = answer.json()
    headers = {name: value for name, value in heard["headers"].items() if name not in ("host", "content-length")}
    # httpx.ASGITransport names this peer; the header comes from the connection, not from what the caller wrote.
    assert headers == {
        "accept": "*/*",
        "user-agent": headers["user-agent"],
        "x-kept": "yes",
        "x-forwarded-for": "127.0.0.1",
    }
    assert PASSWORD not in answer.text
    assert heard["headers"]["host"] == "127.0.0.1:" + heard["headers"]["host"].partition(":")[2]
    assert heard["size"] == 5


async def test_what_comes_back_has_no_cookie_and_nothing_for_one_hop(proxy: Door) -> None:
    answer = await proxy.admin.get("/admin/models/x")
    assert answer.headers["x-of-mlflow"] == "kept"
    assert not {"set-cookie", "x-one-hop"} & set(answer.headers)
    assert (await proxy.admin.get("/admin/models/packed")).content == b"as it is"
    sent_on = await proxy.admin.get("/admin/models/moved")
    assert (sent_on.status_code, sent_on.headers["location"]) == (307, "/admin/models/there?a=1")


@pytest.mark.parametrize(
    "path",
    ["ajax-api/3.0/mlflow/assistant/config", "gateway/x", "GateWay/x", "ajax-api/2.0/mlflow/gateway-proxy",
     "ajax-api/3.0/jobs/", "ajax-api/3.0/mlflow/jobs/cancel/1", "ajax-api/3.0/mlflow/scorer/invoke",
     "api/2.0/mlflow/webhooks", "api/3.0/mlflow/prompt-optimization/jobs", "%61ssistant/x"],
)  # fmt: skip
async def test_what_runs_commands_or_calls_others_is_closed(proxy: Door, path: str) -> None:
    answer = await proxy.admin.post(f"/admin/models/{path}", json={})
    assert answer.status_code == 403, answer.text


async def test_what_the_interface_asks_on_every_page_is_told_that_there_is_nothing(proxy: Door) -> None:
    assistant = "/admin/models/ajax-api/3.0/mlflow/assistant/config"
    answer = await proxy.admin.get(assistant)
    assert (answer.status_code, answer.json()["providers"]) == (200, {})
    assert (await proxy.admin.put(assistant, json={})).status_code == 403
    assert (await proxy.stranger.get(assistant)).status_code == 401
    assert (await proxy.admin.get("/admin/models/ajax-api/2.0/mlflow/users/current")).json() == {}


@pytest.mark.parametrize(
    "path",
    ["x/../y", "%2e%2e/x", "x/%2E%2E/assistant", "x%2fassistant", "x/%2F", "..%5cx", "x\\y", "%252e%252e/x", "x//y",
     "./x", "x;/y", "\xff", "x%00", "x%0d%0aHost:y", "%ff",
     "api/2.0/mlflow-artifacts/artifacts/../../mlflow/assistant"],
)  # fmt: skip
async def test_a_path_that_two_readers_may_read_differently_is_refused(path: str) -> None:
    # Not by a client, which would tidy up the path.
    with pytest.raises(Problem) as refused:
        check_path(f"/admin/models/{path}".encode("latin-1"))
    assert refused.value.status == 400


async def test_who_may_only_look_reads_and_searches_and_changes_nothing(proxy: Door) -> None:
    accounts = proxy.app.state.accounts
    accounts.add("vera", "vera's password", "viewer")
    _, key = accounts.make_key("vera", "to look", ("view",))
    looking = {"Authorization": f"Bearer {key}"}

    async def status(method: str, path: str) -> int:
        return (await proxy.stranger.request(method, f"/admin/models/{path}", headers=looking)).status_code

    assert await status("GET", "") == 200
    for path in ("ajax-api/2.0/mlflow/runs/search", "graphql"):
        assert await status("POST", path) == 200
    artifact = "api/2.0/mlflow-artifacts"
    for method, path in (
        ("POST", "ajax-api/2.0/mlflow/runs/delete"),
        ("DELETE", "ajax-api/2.0/mlflow/registered-models/delete"),
        ("PATCH", "ajax-api/2.0/mlflow/model-versions/update"),
        ("PUT", f"{artifact}/artifacts/0/run/artifacts/search"),
        ("POST", f"{artifact}/mpu/create/0/run/artifacts/search"),
        ("DELETE", "ajax-api/2.0/mlflow/logged-models/m/tags/search"),
    ):
        assert await status(method, path) == 403, path


async def test_another_site_cannot_change_anything(proxy: Door) -> None:
    for site, status in (("cross-site", 403), ("same-origin", 200)):
        answer = await proxy.admin.post(
            "/admin/models/ajax-api/2.0/mlflow/runs/delete", headers={"Sec-Fetch-Site": site}
        )
        assert answer.status_code == status


async def test_artifacts_may_be_large_and_stand_in_folders_of_any_name(proxy: Door) -> None:
    async def pieces(total: int) -> AsyncIterator[bytes]:
        for _ in range(total // 65_536):
            yield bytes(65_536)

    async def put(path: str, total: int) -> httpx.Response:
        return await proxy.admin.put(f"/admin/models/{path}", content=pieces(total))

    artifact = "api/2.0/mlflow-artifacts/artifacts/0/run/artifacts/jobs/model.bin"
    passed = await put(artifact, 2 * BODY_BYTES)
    assert (passed.status_code, passed.json()["size"]) == (200, 2 * BODY_BYTES)
    refused = await put("api/2.0/mlflow/runs/log-batch", 2 * BODY_BYTES)
    assert (refused.status_code, refused.json()["field"]) == (413, "body")
    announced = {"Content-Length": str(ARTIFACT_BYTES + 1)}
    assert (await proxy.admin.put(f"/admin/models/{artifact}", headers=announced)).status_code == 413


async def test_while_mlflow_is_away_a_frame_gets_a_page_that_looks_again_and_a_program_a_problem(
    shared_server: NatsServer,
) -> None:
    async with open_door(settings_for(shared_server.home, shared_server, mlflow="on")) as door:
        page = await door.admin.get("/admin/models/", headers={"Accept": "text/html,*/*"})
        assert (page.status_code, page.headers["retry-after"]) == (503, "2")
        assert "location.reload" in page.text
        problem = await door.admin.get("/admin/models/version")
        assert problem.status_code == 503
        assert "starts it again" in problem.json()["detail"]
        health: dict[str, Any] = (await door.stranger.get("/api/health")).json()
        assert health["components"]["mlflow"]["state"] == "starting"


async def test_switched_off_there_is_nothing_behind_the_address(shared_door: Door) -> None:
    answer = await shared_door.admin.get("/admin/models/")
    assert answer.status_code == 404
    assert "TIPSTREAM_MLFLOW" in json.dumps(answer.json())


async def test_the_pages_of_the_documentation_ask_no_other_host(shared_door: Door) -> None:
    for path in ("/docs", "/redoc"):
        page = await shared_door.stranger.get(path)
        assert "http://" not in page.text
        assert "https://" not in page.text
        assets = [piece.partition('"')[0] for piece in page.text.split('src="')[1:]]
        assert assets
        for asset in assets:
            assert (await shared_door.stranger.get(asset)).status_code == 200
