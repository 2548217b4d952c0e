"""The scorer process: `POST /score` and what it knows of people, over a state that it only folds from the stream."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml.policies.registry import warm_up
from ml.serving.closed import Closed, opened
from ml.serving.outbox import OutboxBroken, OutboxClosed
from ml.serving.routes import add_routes
from ml.serving.scorer import Scorer
from projections.queries import ReadModelMissing
from services.bootstrap import Bus
from services.bus.errors import BusUnavailable
from services.http_server import http_server
from services.keys import load_secrets
from services.problems import Problem, install_problems
from services.settings import Settings

log = logging.getLogger(__name__)


def create_app(settings: Settings, *, bus: Bus | None = None, on_end: Callable[[], None] | None = None) -> FastAPI:
    """The scorer on these settings; tests hand in a bus. `on_end` is called when serving ends by itself."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(warm_up)
        try:
            scorer = app.state.scorer = Scorer(settings)
        except OutboxClosed as problem:
            app.state.closed = problem
            waiting = asyncio.create_task(opened(settings.outbox_dir / "scorer.sqlite", problem), name="outbox")
            waiting.add_done_callback(lambda task: None if task.cancelled() or on_end is None else on_end())
            try:
                yield
            finally:
                waiting.cancel()
                await asyncio.wait({waiting})
            return
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
    app.add_middleware(Closed)
    add_routes(app)
    return app


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


def run_scorer(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)

    ended = False

    def end() -> None:
        nonlocal ended
        server.should_exit = ended = True

    server = http_server(create_app(settings, on_end=end), settings.host, settings.scorer_port)
    server.run()
    if ended:
        # Nobody asked for it: whoever keeps it alive starts it again.
        raise SystemExit(1)
