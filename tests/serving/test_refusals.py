"""Whatever cannot be answered becomes a problem document that names the field; nothing of it is logged."""

from typing import Any

import httpx
import orjson
import pytest

from tests.api.callers import PASSWORD
from tests.conftest import SHARED
from tests.serving.scorers import TIPS, Running, decisions_in

SIGNAL = {"value": 1, "source": "s", "observed_at": "2026-01-01T00:00:00Z"}
pytestmark = SHARED


@pytest.fixture(scope="module")
def scorer(shared_scorer: Running) -> Running:
    """One for all: what is refused leaves nothing behind."""
    return shared_scorer


def problem_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The document of an answer that must be a problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    return document


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"user_id": None}, "user_id"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": 7}, "user_id"),
        ({"user_id": "x" * 513}, "user_id"),
        ({"context": "now"}, "context"),
        ({"context": {"now": "yesterday"}}, "context.now"),
        ({"context": {"now": "1970-01-01T00:00:00Z"}}, "context.now"),
        ({"context": {"now": "2100-01-01T00:00:00Z"}}, "context.now"),
        ({"context": {"steps": "many"}}, "context.steps"),
        ({"context": {"steps": True}}, "context.steps"),
        ({"context": {"signals": []}}, "context.signals"),
        ({"context": {"signals": {"mood": {**SIGNAL, "value": None}}}}, "context.signals.mood.value"),
        ({"context": {"signals": {"mood": {**SIGNAL, "source": 5}}}}, "context.signals.mood.source"),
        ({"candidates": []}, "candidates"),
        ({"candidates": "walk"}, "candidates"),
        ({"candidates": ["no such tip"]}, "candidates[0]"),
        ({"candidates": [5]}, "candidates[0]"),
        ({"candidates": [""]}, "candidates[0]"),
        ({"candidates": [{"tip_id": "t"}]}, "candidates[0].features"),
        ({"candidates": [{"tip_id": "t", "features": {"effort": "hard"}}]}, "candidates[0].features.effort"),
        ({"candidates": [{"tip_id": "t", "features": {"effort": True}}]}, "candidates[0].features"),
        ({"candidates": [{"tip_id": "t", "features": {"colour": 1}}]}, "candidates[0].features.colour"),
        ({"candidates": [{"tip_id": "t", "features": {}, "title": "T"}]}, "candidates[0].title"),
        ({"candidates": [f"tip-{number}" for number in range(1001)]}, "candidates"),
        ({"policy": "oracle"}, "policy"),
        ({"policy": ""}, "policy"),
        ({"policy": 5}, "policy"),
        ({"decision_id": ""}, "decision_id"),
        ({"decision_id": "d" * 513}, "decision_id"),
        ({"min_seq": -1}, "min_seq"),
        ({"min_seq": 1.5}, "min_seq"),
        ({"min_seq": 2**63}, "min_seq"),
        ({"min_seq": "1"}, "min_seq"),
        ({"contxt": {}}, "contxt"),
    ],
)
async def test_a_field_that_cannot_be_used_is_named(scorer: Running, fields: dict[str, Any], field: str) -> None:
    document = problem_of(await scorer.post(**{"user_id": "ada", **fields}), 422)
    assert document["field"] == field
    assert document["errors"][0]["field"] == field
    assert [event for _, event in await decisions_in(scorer.bus)] == []


async def test_a_repeated_candidate_is_named(scorer: Running) -> None:
    document = problem_of(await scorer.post(candidates=[TIPS[0], TIPS[1], TIPS[0]]), 422)
    assert document["field"] == "candidates[2]"


@pytest.mark.parametrize("field", ["user_id", "context", "candidates"])
async def test_a_missing_field_is_named(scorer: Running, field: str) -> None:
    body = {"user_id": "ada", "context": {}, "candidates": TIPS[:3]}
    del body[field]
    assert problem_of(await scorer.caller.post("/score", json=body), 422)["field"] == field


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'{"user_id": "ada"',
        b'{"user_id": "ada", "context": {"steps": NaN}, "candidates": ["walk"]}',
        b'{"user_id": "ada", "context": {"steps": Infinity}, "candidates": ["walk"]}',
        b'{"user_id": "\\ud800", "context": {}, "candidates": ["walk"]}',
        b'{"user_id": "\xff", "context": {}, "candidates": ["walk"]}',
        b'{"user_id": "ada", "context": {"a": ' + b"[" * 5000 + b"]" * 5000 + b'}, "candidates": ["walk"]}',
    ],
    ids=["empty", "words", "cut", "NaN", "Infinity", "surrogate", "latin", "deep"],
)
async def test_what_is_not_json_is_a_400(scorer: Running, body: bytes) -> None:
    assert problem_of(await scorer.caller.post("/score", content=body), 400)["field"] == "body"


@pytest.mark.parametrize("body", [b"[]", b'"ada"', b"null"])
async def test_what_is_no_object_is_a_422(scorer: Running, body: bytes) -> None:
    assert problem_of(await scorer.caller.post("/score", content=body), 422)["field"] == "body"


async def test_a_number_too_large_is_named(scorer: Running) -> None:
    body = b'{"user_id": "ada", "context": {"steps": 1e999}, "candidates": ["walk"]}'
    assert problem_of(await scorer.caller.post("/score", content=body), 422)["field"] == "context"


async def test_a_body_above_the_limit_is_a_413(scorer: Running) -> None:
    padded = orjson.dumps({"user_id": "ada", "context": {"padding": "x" * 1_000_000}, "candidates": TIPS[:3]})
    assert problem_of(await scorer.caller.post("/score", content=padded), 413)["field"] == "body"

    async def in_pieces() -> Any:
        for start in range(0, len(padded), 50_000):
            yield padded[start : start + 50_000]

    assert problem_of(await scorer.caller.post("/score", content=in_pieces()), 413)["field"] == "body"


async def test_a_decision_too_large_for_an_event_is_refused(scorer: Running) -> None:
    described = [{"tip_id": f"{number:0>228}", "features": {}} for number in range(990)]
    document = problem_of(await scorer.post(candidates=described, context={"unread": ""}), 422)
    assert document["field"] == "candidates"
    assert [event for _, event in await decisions_in(scorer.bus)] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/score"),
        ("GET", "/stats/ada"),
        ("GET", "/features/ada"),
        ("POST", "/reset/ada"),
        ("GET", "/metrics"),
    ],
)
async def test_every_door_but_health_needs_a_key(scorer: Running, method: str, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer"}, {"Authorization": "é"}):
        raw = {name.encode(): value.encode() for name, value in headers.items()}
        answer = await scorer.stranger.request(method, path, headers=raw)
        problem_of(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_admin_password_opens_the_doors_too(scorer: Running) -> None:
    answer = await scorer.stranger.get("/stats/ada", headers={"Authorization": f"Bearer {PASSWORD}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/score", 405)])
async def test_a_door_that_is_not_there_is_a_problem_too(scorer: Running, method: str, path: str, status: int) -> None:
    problem_of(await scorer.caller.request(method, path), status)


@pytest.mark.parametrize("path", ["/stats/", "/stats/%FF", "/stats/" + "x" * 513])
async def test_an_id_in_a_path_that_is_none_is_named(scorer: Running, path: str) -> None:
    assert problem_of(await scorer.caller.get(path), 422)["field"] == "user_id"


@pytest.mark.parametrize("value", ["-1", "1.5", "soon", "", "9" * 30])
async def test_min_seq_of_stats_must_be_a_sequence(scorer: Running, value: str) -> None:
    assert problem_of(await scorer.caller.get("/stats/ada", params={"min_seq": value}), 422)["field"] == "min_seq"


async def test_a_sequence_that_does_not_come_is_a_503_after_two_seconds(scorer: Running) -> None:
    for answer in (await scorer.post(min_seq=10**6), await scorer.caller.get("/stats/ada", params={"min_seq": 10**6})):
        assert problem_of(answer, 503)["field"] == "min_seq"
        assert int(answer.headers["retry-after"]) >= 1


async def test_features_without_a_read_model_are_a_503(scorer: Running) -> None:
    answer = await scorer.caller.get("/features/ada")
    assert "projector" in problem_of(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_reset_while_the_api_is_away_is_a_503(scorer: Running) -> None:
    assert "API" in problem_of(await scorer.caller.post("/reset/ada"), 503)["detail"]
