"""Servers to compare the scorer with: `python -m benchmarks.stand_ins echo <port>` and `... unlogged`.

`echo` is FastAPI giving back a pydantic model; `unlogged` is our scorer that answers without waiting for the stream.
"""

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

import ml.serving.scorer as scorer
from contracts.envelope import Message
from ml.serving.app import run_scorer
from ml.serving.delivery import Delivered, Delivery
from services.settings import Settings


class Asked(BaseModel):
    """A scoring call as any FastAPI service would declare it."""

    user_id: str
    context: dict[str, Any]
    candidates: list[str]
    policy: str | None = None


class Unlogged(Delivery):
    """Says it is logged, and does nothing."""

    async def deliver(self, decision_id: str, message: Message) -> Delivered:
        return Delivered(True)


async def echo(asked: Asked) -> Asked:
    """The least a typed FastAPI route can do."""
    return asked


def main() -> None:
    """Serve one of them until SIGTERM."""
    if sys.argv[1] == "echo":
        app = FastAPI()
        app.add_api_route("/score", echo, methods=["POST"], response_model=Asked)
        uvicorn.run(app, port=int(sys.argv[2]), loop="uvloop", http="httptools", log_level="warning", access_log=False)
    else:
        setattr(scorer, "Delivery", Unlogged)  # noqa: B010 - an attribute of another module, on purpose
        run_scorer(Settings())


if __name__ == "__main__":
    main()
