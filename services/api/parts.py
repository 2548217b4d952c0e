"""What the routes work with, made once by `app.py` and found in `app.state.parts`."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

import httpx
from fastapi import Depends, Header, Request

from contracts.headers import valid_traceparent
from projections.queries import ReadModel
from services.accounts.accounts import Accounts
from services.accounts.tickets import Tickets
from services.api.evaluations import Evaluations
from services.api.replay_progress import ReplayProgress
from services.api.ring import Ring
from services.api.stream_link import StreamLink
from services.recommender.recommender import Recommender
from services.settings import Settings


@dataclass(slots=True)
class Turn:
    """Held from looking at what stands until a command that depends on it; `seq` is the last command's place."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Parts:
    """The stream, its last events, the replay and the evaluations that run, the read model, the scorer (an HTTP client
    with its key), MLflow, what joins them, who may come in, and whose turn it is to command."""

    settings: Settings
    link: StreamLink
    ring: Ring
    replaying: ReplayProgress
    evaluations: Evaluations
    read_model: ReadModel
    scorer: httpx.AsyncClient
    mlflow: httpx.AsyncClient
    recommender: Recommender
    accounts: Accounts
    tickets: Tickets
    turn: Turn = field(default_factory=Turn)


# Asynchronous although they await nothing, as all dependencies here: a plain function would be run in a thread.
async def parts_of(request: Request) -> Parts:
    """A route's dependency: the parts of its app."""
    parts: Parts = request.app.state.parts
    return parts


async def trace_of(
    traceparent: Annotated[str | None, Header(description="W3C Trace Context, kept in the event's headers")] = None,
) -> str | None:
    """A route's dependency: the caller's traceparent, None when it is none (the W3C asks to ignore such)."""
    return valid_traceparent(traceparent)


PartsOf = Annotated[Parts, Depends(parts_of)]
Trace = Annotated[str | None, Depends(trace_of)]
