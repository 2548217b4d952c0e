"""The scorer process: `POST /score` and what it knows of people, over a state that it only folds from the stream."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import httpx
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.headers import valid_traceparent
from contracts.times import SECOND_US, format_time
from ml.policies.kernel import KERNEL, warm_up
from ml.serving.delivery import Delivery
from ml.serving.metrics import Metrics
from ml.serving.outbox import Outbox, OutboxBroken
from ml.serving.people import stats_of
from ml.serving.requests import path_id, query_seq, read_body, read_score_request
from ml.serving.scoring import CATCH_UP_S, Scoring
from ml.serving.state import FoldedState
from projections.control import subject_of
from projections.folds.tables import FEATURE_HISTORY
from projections.owner import Owner
from projections.queries import ReadModel, ReadModelMissing
from projections.sinks.versions import Versions
from services.auth import require_key
from services.bootstrap import Bus, ensure_stream
from services.bus.errors import BusUnavailable
from services.bus.jetstream import JetStreamBus
from services.keys import Secrets, load_secrets
from services.paths import USER_ID, in_path
from services.problems import Problem, install_problems
from services.settings import Settings

PROJECTION = "scorer"
INFO_S = 0.5
API_S = 10.0
STOP_S = 5

Endpoint = Callable[[Request], Awaitable[Response]]

log = logging.getLogger(__name__)


class Scorer:
    """What the routes work on; `serve` connects, folds and drains the outbox until it is cancelled."""

    def __init__(self, settings: Settings) -> None:
        settings.make_home()
        self.settings = settings
        self.metrics = Metrics()
        self.folded = FoldedState()
        self.delivery = Delivery(Outbox(settings.outbox_dir / "scorer.sqlite"))
        self.scoring = Scoring(self.folded, self.delivery, self.metrics)
        self.read_model = ReadModel(settings.home)
        self.api = httpx.AsyncClient(base_url=settings.api_base, timeout=API_S)
        self.last_error: str | None = None
        outbox = self.delivery.outbox
        for name, description, value in (
            ("outbox_waiting", "decisions that wait for the stream", lambda: len(outbox)),
            ("outbox_refused", "decisions that the stream will never take", lambda: outbox.refused),
            ("connected", "1 while the stream can be reached", lambda: self.delivery.connected),
            ("ready", "1 once the state has reached the stream's end", lambda: self.folded.ready),
            ("state_seq", "last event folded", lambda: self.folded.state.seq if self.folded.owner else 0),
            ("people", "people learned of", lambda: len(self.folded.state.learning.people) if self.folded.owner else 0),
        ):
            self.metrics.gauge(name, description, value)

    async def serve(self, bus: Bus | None) -> None:
        """Until cancelled, or until folding ends with an error that a new process may be free of."""
        mine = bus or await JetStreamBus.connect(self.settings.bus_url, name="tipstream scorer", timeout=None)
        try:
            await ensure_stream(mine, self.settings)
            self.delivery.bus = mine
            await self._fold(mine)
        finally:
            if bus is None:
                await mine.close()

    async def _fold(self, bus: Bus) -> None:
        owner = Owner(bus, Versions(self.settings.home), PROJECTION, let_go=self.delivery.let_go)
        await owner.start()
        owning = asyncio.create_task(owner.run(), name="own the scorer's state")
        draining = asyncio.create_task(self.delivery.drain(), name="drain the outbox")
        try:
            await bus.respond(subject_of(PROJECTION), owner.answer)
            await self.folded.become_ready(owner, (await bus.info()).last_seq)
            ended, _ = await asyncio.wait((owning, draining), return_when=asyncio.FIRST_COMPLETED)
            ended.pop().result()
        finally:
            draining.cancel()
            owner.stop()
            await asyncio.wait((owning, draining))

    async def close(self) -> None:
        """Close files and connections, once `serve` has ended."""
        await self.api.aclose()
        self.delivery.close()
        self.read_model.close()

    async def health(self) -> dict[str, Any]:
        """State, position, lag and outbox; never waits long for the stream."""
        folded, outbox = self.folded, self.delivery.outbox
        seq = folded.state.seq if folded.owner is not None else 0
        projector = folded.owner.live.projector if folded.owner is not None else None
        last = await self._last_seq()
        reached = projector.reached if projector is not None else None
        lag = None if last is None else max(last - seq, 0)
        behind_s = time.time() - reached.recorded_us / SECOND_US if reached is not None and lag else 0.0
        oldest_us = outbox.oldest_us()
        return {
            "state": _state(ready=folded.ready, failed=projector is not None and projector.last_error is not None),
            "seq": seq,
            "stream_last_seq": last,
            "lag_events": lag,
            "lag_seconds": max(behind_s, 0.0),
            "events_per_s": round(projector.events_per_s, 1) if projector is not None else 0.0,
            "version": folded.owner.live.version.number if folded.owner is not None else None,
            "connected": self.delivery.connected,
            "outbox": {"waiting": len(outbox), "refused": outbox.refused, "oldest_us": oldest_us},
            "kernel": KERNEL,
            "feature_set": folded.decider.feature_set.name if folded.owner is not None else None,
            "release": version("tipstream"),
            "last_error": (projector.last_error if projector is not None else None)
            or self.last_error
            or self.delivery.last_error,
        }

    async def _last_seq(self) -> int | None:
        if not self.delivery.connected or self.delivery.bus is None:
            return None
        try:
            async with asyncio.timeout(INFO_S):
                return (await self.delivery.bus.info()).last_seq
        except (TimeoutError, BusUnavailable):
            return None


def _state(*, ready: bool, failed: bool) -> str:
    if failed:
        return "down"
    return "up" if ready else "starting"


def create_app(settings: Settings, *, bus: Bus | None = None, on_end: Callable[[], None] | None = None) -> FastAPI:
    """The scorer on these settings; tests hand in a bus. `on_end` is called when serving ends by itself."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(warm_up)
        scorer = app.state.scorer = Scorer(settings)
        serving = asyncio.create_task(scorer.serve(bus), name="serve the scorer")
        serving.add_done_callback(lambda task: _ended(scorer, task, on_end))
        try:
            yield
        finally:
            serving.cancel()
            await asyncio.wait({serving})
            await scorer.close()

    app = FastAPI(title="Tipstream scorer", openapi_url=None, lifespan=lifespan)
    app.state.secrets = load_secrets(settings)
    install_problems(app)
    for kind in (ReadModelMissing, BusUnavailable, OutboxBroken):
        app.add_exception_handler(kind, _unavailable)
    app.add_middleware(RefusalCount)
    app.add_route("/score", _keyed(post_score), methods=["POST"])
    app.add_route("/health", get_health, methods=["GET"])
    app.add_route(f"/stats/{USER_ID}", _keyed(get_stats), methods=["GET"])
    app.add_route(f"/features/{USER_ID}", _keyed(get_features), methods=["GET"])
    app.add_route(f"/reset/{USER_ID}", _keyed(post_reset), methods=["POST"])
    app.add_route("/metrics", _keyed(get_metrics), methods=["GET"])
    return app


def _keyed(route: Endpoint) -> Endpoint:
    """A route behind the key. Plain routes and this cost half of what a FastAPI route with a dependency does."""

    async def checked(request: Request) -> Response:
        await require_key(request)
        return await route(request)

    return checked


def _ended(scorer: Scorer, task: asyncio.Task[None], on_end: Callable[[], None] | None) -> None:
    if task.cancelled():
        return
    problem = task.exception()
    scorer.last_error = f"{type(problem).__name__}: {problem}" if problem is not None else "it stopped folding"
    log.error("the scorer stops: %s", scorer.last_error)
    if on_end is not None:
        on_end()


async def _unavailable(_: Request, error: Exception) -> Response:
    return Problem.unavailable(str(error)).response()


class RefusalCount:
    """ASGI middleware: counts the answers that are problems."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                scope["app"].state.scorer.metrics.refused(message["status"])
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, counted)
        except Exception:
            # The answer to it is made further out.
            scope["app"].state.scorer.metrics.refused(500)
            raise


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


def run_scorer(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)

    def end() -> None:
        server.should_exit = True

    config = uvicorn.Config(
        create_app(settings, on_end=end),
        host=settings.host,
        port=settings.scorer_port,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_S,
    )
    server = uvicorn.Server(config)
    server.run()
