"""What the scorer answers while its outbox cannot be opened: that it is down, why, and what to do."""

import asyncio
import logging
from pathlib import Path

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ml.serving.outbox import Outbox, OutboxClosed
from services.problems import Problem

LOOK_S = 1.0

log = logging.getLogger(__name__)


class Closed:
    """ASGI middleware: answers instead of the app while its state has a `closed` problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem: OutboxClosed | None = getattr(scope["app"].state, "closed", None)
        if problem is None or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = Problem.unavailable(f"{problem}; {problem.remedy}").response()
        if scope["path"] == "/health":
            said = {"state": "down", "seq": 0, "last_error": str(problem), "remedy": problem.remedy}
            answer = Response(orjson.dumps(said), media_type="application/json")
        await answer(scope, receive, send)


async def opened(path: Path, problem: OutboxClosed) -> None:
    """Return once the outbox can be opened."""
    log.error("%s; %s", problem, problem.remedy)
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            await asyncio.to_thread(lambda: Outbox(path).close())
        except OutboxClosed:
            continue
        return
