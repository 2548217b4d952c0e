"""Statements through the API: limits, large answers, files, the schema, what was asked; and queries that are kept."""

import csv
import io
from typing import Any

import httpx
import pyarrow.parquet
import pytest

from projections.worker import token_check
from tests.api.callers import Door, System
from tests.conftest import SHARED
from tests.waiting import until

WIDE = "SELECT range AS number, repeat('x', 1000) AS text FROM range(10001)"


async def keyed(door: Door, name: str, role: str, *scopes: str) -> httpx.AsyncClient:
    """A client with a key of a new account."""
    account = {"name": name, "password": "long enough a word", "role": role}
    assert (await door.admin.post("/api/admin/accounts", json=account)).status_code < 300
    made = await door.admin.post("/api/admin/keys", json={"label": "tests", "scopes": scopes, "name": name})
    assert made.status_code < 300, made.text
    transport = httpx.ASGITransport(door.app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {made.json()['token']}"}
    return httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers, timeout=60)


@SHARED
@pytest.mark.timeout(180)
async def test_a_statement_gives_all_the_rows_that_are_promised(shared_system: System) -> None:
    await shared_system.folded()
    answer = await shared_system.post("/api/admin/sql", sql=WIDE)
    assert (len(answer["rows"]), answer["truncated"]) == (10_000, True)
    assert answer["reason"] == "only the first 10,000 rows were asked for"
    assert (answer["columns"], answer["types"]) == (["number", "text"], ["BIGINT", "VARCHAR"])
    assert (answer["limit"], answer["timeout"]) == (10_000, 5.0)
    few = await shared_system.post("/api/admin/sql", sql=WIDE, limit=7, timeout=4.5)
    assert (len(few["rows"]), few["limit"], few["timeout"]) == (7, 7, 4.5)
    for field, value in (("limit", 0), ("limit", 10_001), ("timeout", 60), ("timeout", 0)):
        refused = await shared_system.door.admin.post("/api/admin/sql", json={"sql": "SELECT 1", field: value})
        assert (refused.status_code, refused.json()["field"]) == (422, field)

    slow = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = 7"
    ended = await shared_system.door.admin.post("/api/admin/sql", json={"sql": slow, "timeout": 0.1})
    assert (ended.status_code, ended.json()["outcome"]) == (422, "timed_out")
    assert "limit of 0.1 s" in ended.json()["detail"]
    wrong = await shared_system.door.admin.post("/api/admin/sql", json={"sql": "SELECT 1,\nnonsense FROM tips"})
    assert (wrong.json()["outcome"], wrong.json()["position"]) == ("failed", 10)


@SHARED
@pytest.mark.timeout(180)
async def test_an_answer_is_downloaded_as_csv_and_as_parquet(shared_system: System) -> None:
    await shared_system.folded()
    sql = "SELECT tip_id, minutes, changed_at FROM tips ORDER BY tip_id"
    whole = await shared_system.post("/api/admin/sql", sql=sql)
    as_csv = await shared_system.door.admin.post("/api/admin/sql/download", json={"sql": sql})
    assert as_csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="tipstream.csv"' in as_csv.headers["content-disposition"]
    lines = list(csv.reader(io.StringIO(as_csv.text)))
    assert lines[0] == whole["columns"]
    assert lines[1:] == [[str(value) for value in row] for row in whole["rows"]]
    as_parquet = await shared_system.door.admin.post("/api/admin/sql/download", json={"sql": sql, "format": "parquet"})
    assert as_parquet.headers["content-type"] == "application/vnd.apache.parquet"
    table = pyarrow.parquet.read_table(io.BytesIO(as_parquet.content))
    assert [str(field.type) for field in table.schema] == ["string", "int64", "timestamp[us]"]
    assert table["tip_id"].to_pylist() == [row[0] for row in whole["rows"]]
    cut = await shared_system.door.admin.post("/api/admin/sql/download", json={"sql": WIDE, "format": "parquet"})
    assert (cut.headers["tipstream-rows"], "10,000 rows" in cut.headers["tipstream-truncated"]) == ("10000", True)
    assert pyarrow.parquet.read_table(io.BytesIO(cut.content)).num_rows == 10_000
    refused = await shared_system.door.admin.post("/api/admin/sql/download", json={"sql": "DROP TABLE tips"})
    assert (refused.status_code, refused.json()["outcome"]) == (422, "refused")


@pytest.mark.timeout(180)
async def test_what_somebody_asked_is_kept_with_what_became_of_it(system: System) -> None:
    await system.folded()
    dora = await keyed(system.door, "dora", "analyst", "sql")
    # Longer than any statement that is taken: refused by the query process, which writes that down too.
    asked = {"SELECT 1 AS mine": "ok", "SELECT luck": "failed", "DROP TABLE tips": "refused", "x" * 20_001: "refused"}
    async with dora:
        for sql in asked:
            await dora.post("/api/admin/sql", json={"sql": sql})
        await system.post("/api/admin/sql", sql="SELECT 2 AS theirs")
        every: list[dict[str, Any]] = []

        async def told() -> bool:
            every[:] = await system.get("/api/admin/sql/history?everyone=true&door=console")
            return len(every) == 5

        await until(told)
        mine = (await dora.get("/api/admin/sql/history")).json()
        assert {one["sql"]: one["outcome"] for one in mine} == {sql[:20_000]: what for sql, what in asked.items()}
        assert {one["actor"] for one in mine} == {"dora"}
        assert [one["rows"] for one in mine if one["outcome"] == "ok"] == [1]
        assert all(one["duration_us"] > 0 and one["door"] == "console" for one in mine)
        assert len((await dora.get("/api/admin/sql/history?limit=2")).json()) == 2
        assert (await dora.get("/api/admin/sql/history?door=quack")).json() == []
    assert {one["actor"] for one in every} == {"dora", "admin"}


@SHARED
@pytest.mark.timeout(180)
async def test_the_schema_says_what_there_is(shared_system: System) -> None:
    await shared_system.folded()
    relations = {one["name"]: one for one in await shared_system.get("/api/admin/sql/schema")}
    assert (relations["tips"]["kind"], relations["rewards"]["kind"]) == ("table", "view")
    (title,) = [one for one in relations["tips"]["columns"] if one["name"] == "title"]
    assert title == {"name": "title", "type": "VARCHAR", "comment": "the tip's title"}


@pytest.mark.timeout(180)
async def test_a_kept_query_is_read_by_all_and_changed_by_its_owner_or_an_administrator(system: System) -> None:
    async def folded(answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == 202, answer.text
        await system.folded()
        said: dict[str, Any] = answer.json()
        return said

    path = "/api/admin/saved-queries"
    dora = await keyed(system.door, "dora", "analyst", "sql")
    emil = await keyed(system.door, "emil", "ops", "sql", "operate")
    vera = await keyed(system.door, "vera", "viewer")
    async with dora, emil, vera:
        kept = await folded(await dora.post(path, json={"name": " mine ", "sql": "SELECT 1"}))
        one = f"{path}/{kept['query_id']}"
        assert (await emil.get(one)).json()["name"] == "mine"
        for denied in (
            await emil.patch(one, json={"name": "stolen"}),
            await emil.post(path, json={"name": "stolen", "sql": "SELECT 2", "query_id": kept["query_id"]}),
            await emil.delete(one),
        ):
            assert (denied.status_code, "save a copy" in denied.json()["detail"]) == (403, True)
        assert (await vera.post(path, json={"name": "x", "sql": "SELECT 1"})).status_code == 403
        assert (await vera.post("/api/admin/sql", json={"sql": "SELECT 1"})).status_code == 403
        await folded(await dora.patch(one, json={"name": "renamed"}))
        # An administrator mends it; it stays its owner's.
        await folded(await system.door.admin.patch(one, json={"sql": "SELECT 3"}))
        (row,) = (await dora.get(f"{path}?owner=dora")).json()
        assert (row["name"], row["sql"], row["owner"]) == ("renamed", "SELECT 3", "dora")
        assert (await dora.get(f"{path}?owner=emil")).json() == []
        await folded(await dora.delete(one))
        assert (await dora.get(one)).status_code == 404
        assert (await dora.patch(one, json={"name": "gone"})).status_code == 404


async def test_remote_sql_takes_a_persons_key_and_no_other(door: Door) -> None:
    parts = door.app.state.parts
    check, accounts = token_check(parts.settings), parts.accounts
    accounts.add("dora", "long enough a word", "analyst")
    key, token = accounts.make_key("dora", "notebook", ["sql"])
    _, viewing = accounts.make_key("dora", "dashboard", ["view"])
    secrets = door.app.state.secrets
    assert check(token) == "dora"
    assert check(secrets.admin_password) == "admin"
    assert [check(other) for other in (viewing, secrets.api_key, "", token + "x", "\x00", "é" * 500)] == [None] * 6
    accounts.change("dora", role="viewer")
    assert check(token) is None
    accounts.change("dora", role="analyst")
    accounts.revoke_key(key.key_id)
    assert check(token) is None
