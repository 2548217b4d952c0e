"""`GET /api/health`: open to all and without secrets; a key adds errors, checkpoints, rates, disk and versions."""

from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from services.api.condition import Component, Condition, State, Watch
from services.auth import caller_of
from services.releases import release

router = APIRouter(tags=["health"])


class ComponentHealth(BaseModel):
    """`lag_events` and `lag_seconds` say how far behind the stream's end a part is."""

    state: State
    seq: int | None = None
    lag_events: int | None = None
    lag_seconds: float | None = None
    details: dict[str, Any] | None = None


class Health(BaseModel):
    """`ok`: every part is up. `starting`, `degraded`: see which is not."""

    status: Literal["ok", "starting", "degraded"]
    version: str
    components: dict[str, ComponentHealth]


@router.get(
    "/api/health",
    response_model_exclude_none=True,
    responses={503: {"model": Health, "description": "a required part is not up"}},
)
async def get_health(request: Request, response: Response) -> Health:
    """Every part with its state and lag; 200 when all required parts are up, else 503 with the same document."""
    watch: Watch = request.app.state.watch
    condition = await watch.condition()
    response.status_code = 200 if condition.serving else 503
    response.headers["Cache-Control"] = "no-store"
    caller = caller_of(request.headers.get("authorization"), request.app.state.secrets)
    return describe(condition, detailed=caller is not None)


def describe(condition: Condition, *, detailed: bool) -> Health:
    """The document of a look at all parts."""
    parts = {name: _component(part, detailed) for name, part in condition.components.items()}
    return Health(status=condition.status, version=release("tipstream"), components=parts)


def _component(part: Component, detailed: bool) -> ComponentHealth:
    return ComponentHealth(
        state=part.state,
        seq=part.seq,
        lag_events=part.lag_events,
        lag_seconds=part.lag_seconds,
        details=dict(part.details) if detailed else None,
    )
