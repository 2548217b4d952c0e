"""The scorer's routes. All but `/health` need the key."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import orjson
from fastapi import FastAPI, Request, Response

from contracts.headers import valid_traceparent
from contracts.times import format_time
from ml.serving.metrics import Metrics
from ml.serving.people import stats_of
from ml.serving.requests import path_id, query_seq, read_body, read_score_request
from ml.serving.scorer import Scorer
from ml.serving.scoring import CATCH_UP_S
from projections.folds.tables import FEATURE_HISTORY
from services.auth import require_key
from services.keys import Secrets
from services.paths import USER_ID, in_path
from services.problems import Problem

Endpoint = Callable[[Request], Awaitable[Response]]


def add_routes(app: FastAPI) -> None:
    """Every route, the one that most calls are for first."""
    app.add_route("/score", _keyed(post_score), methods=["POST"])
    app.add_route("/health", get_health, methods=["GET"])
    app.add_route(f"/stats/{USER_ID}", _keyed(get_stats), methods=["GET"])
    app.add_route(f"/features/{USER_ID}", _keyed(get_features), methods=["GET"])
    app.add_route(f"/reset/{USER_ID}", _keyed(post_reset), methods=["POST"])
    app.add_route("/metrics", _keyed(get_metrics), methods=["GET"])


def _keyed(route: Endpoint) -> Endpoint:
    """A route behind the key. Plain routes and this cost half of what a FastAPI route with a dependency does."""

    async def checked(request: Request) -> Response:
        await require_key(request)
        return await route(request)

    return checked


def _json(body: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


async def post_score(request: Request) -> Response:
    """Choose a tip for a person and log the decision."""
    scorer: Scorer = request.app.state.scorer
    asked = read_score_request(await read_body(request))
    scored = await scorer.scoring.score(asked, valid_traceparent(request.headers.get("traceparent")))
    return _json(scored.answer())


async def get_stats(request: Request) -> Response:
    """What has been learned of a person; `min_seq` waits for one's own feedback."""
    scorer: Scorer = request.app.state.scorer
    user_id = path_id(request, b"/stats/")
    scorer.folded.require_ready()
    min_seq = query_seq(request)
    if min_seq is not None:
        await scorer.folded.caught_up(min_seq, CATCH_UP_S)
    return _json(stats_of(scorer.folded.state, scorer.folded.decider, user_id))


async def get_features(request: Request) -> Response:
    """A person's feature vectors, the last 100 decisions, latest first."""
    scorer: Scorer = request.app.state.scorer
    user_id = path_id(request, b"/features/")
    rows = await asyncio.to_thread(scorer.read_model.feature_history, user_id)
    return _json({"user_id": user_id, "features": [_shown(row) for row in rows]})


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `feature_history` as JSON: times as text, the vector by name."""
    shown = {name: row[name] for name in FEATURE_HISTORY.names if name not in ("user_id", "slot")}
    return {**shown, "features": orjson.loads(row["features"]), "occurred_at": format_time(row["occurred_at"])}


async def post_reset(request: Request) -> Response:
    """Ask the API to reset a person: it signs the event and publishes it."""
    scorer: Scorer = request.app.state.scorer
    user_id = path_id(request, b"/reset/")
    secrets: Secrets = request.app.state.secrets
    try:
        answer = await scorer.api.post(
            f"/api/admin/users/{in_path(user_id)}/reset", headers={"Authorization": f"Bearer {secrets.admin_password}"}
        )
    except httpx.HTTPError as error:
        raise Problem.unavailable(f"the API, which signs resets, does not answer ({type(error).__name__})") from None
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))


async def get_health(request: Request) -> Response:
    """How the scorer is doing; open, without secrets."""
    return _json(await request.app.state.scorer.health())


async def get_metrics(request: Request) -> Response:
    """Prometheus metrics."""
    metrics: Metrics = request.app.state.scorer.metrics
    return Response(metrics.exposition(), media_type=metrics.content_type)
