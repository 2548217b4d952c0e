"""Accounts and keys over HTTP: who may change what, and that no key makes one that may more than itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.api.callers import Door
from tests.conftest import SHARED

PASSWORD = "correct horse"


@asynccontextmanager
async def client_of(door: Door, name: str, role: str, *scopes: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key of a new account."""
    body = {"name": name, "password": PASSWORD, "role": role}
    assert (await door.admin.post("/api/admin/accounts", json=body)).status_code == 201
    token = (await made(door.admin, name=name, label="test", scopes=list(scopes)))["token"]
    headers = {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(door.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as client:
        yield client


async def made(client: httpx.AsyncClient, **key: Any) -> dict[str, Any]:
    answer = await client.post("/api/admin/keys", json=key)
    assert answer.status_code == 201, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def test_an_administrator_makes_changes_and_removes_accounts(door: Door) -> None:
    async with client_of(door, "ann", "viewer") as ann:
        assert (await ann.get("/api/admin/policies")).status_code != 403
        change = {"policy": "greedy", "action": "enable"}
        assert (await ann.post("/api/admin/policies", json=change)).status_code == 403
        answer = await door.admin.patch("/api/admin/accounts/ann", json={"role": "ops"})
        assert {one["name"]: one["role"] for one in answer.json()} == {"admin": "admin", "ann": "ops"}
        assert (await ann.get("/api/admin/accounts")).status_code == 403
        assert (await door.admin.delete("/api/admin/accounts/ann")).status_code == 200
        assert (await ann.get("/api/admin/policies")).status_code == 401, "its keys went with the account"


async def test_a_key_makes_no_key_that_may_more_than_itself(door: Door) -> None:
    weak = (await made(door.admin, label="read only", scopes=["view"]))["token"]
    headers = {"Authorization": f"Bearer {weak}"}
    for key in ({"label": "more", "scopes": ["administer"]}, {"label": "other", "scopes": [], "name": "ann"}):
        answer = await door.stranger.post("/api/admin/keys", json=key, headers=headers)
        assert answer.status_code == 403, answer.text
    assert (await door.stranger.get("/api/admin/accounts", headers=headers)).status_code == 403
    assert [key["label"] for key in (await door.admin.get("/api/admin/keys")).json()] == ["read only"]


async def test_everybody_sees_and_revokes_keys_of_their_own(door: Door) -> None:
    async with client_of(door, "ann", "analyst", "sql") as ann, client_of(door, "bob", "analyst") as bob:
        (key,) = (await bob.get("/api/admin/keys")).json()
        assert (await ann.delete(f"/api/admin/keys/{key['key_id']}")).status_code == 404
        assert len((await door.admin.get("/api/admin/keys")).json()) == 2
        assert (await bob.delete(f"/api/admin/keys/{key['key_id']}")).json() == []
        assert (await bob.get("/api/admin/keys")).status_code == 401
        own = await made(ann, label="mine", scopes=["sql"], expires_at="2100-01-01T00:00:00Z")
        assert (own["name"], own["scopes"], own["expires_at"]) == ("ann", ["view", "sql"], 4102444800)


@SHARED
@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("POST", "accounts", {"name": "a b", "password": PASSWORD}, 422, "name"),
        ("POST", "accounts", {"name": "ann", "password": "short"}, 422, "password"),
        ("POST", "accounts", {"name": "admin", "password": PASSWORD}, 422, "name"),
        ("POST", "accounts", {"name": "ann", "password": PASSWORD, "role": "king"}, 422, "role"),
        ("PATCH", "accounts/admin", {"role": "viewer"}, 422, "name"),
        ("PATCH", "accounts/nobody", {"role": "viewer"}, 404, "name"),
        ("DELETE", "accounts/admin", None, 422, "name"),
        ("POST", "keys", {"label": " "}, 422, "label"),
        ("POST", "keys", {"label": "x", "scopes": ["all"]}, 422, "scopes[0]"),
        ("POST", "keys", {"label": "x", "expires_at": "2001-01-01T00:00:00Z"}, 422, "expires_at"),
        ("POST", "keys", {"label": "x", "name": "nobody"}, 404, "name"),
        ("DELETE", "keys/none", None, 404, "key_id"),
    ],
)
async def test_what_cannot_be_done_names_the_field(
    shared_door: Door, method: str, path: str, body: dict[str, Any] | None, status: int, field: str
) -> None:
    answer = await shared_door.admin.request(method, f"/api/admin/{path}", json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
