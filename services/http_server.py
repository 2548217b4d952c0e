"""The HTTP server that API, scorer and MLflow run on, with one set of options."""

from typing import Any

import uvicorn

STOP_S = 5


def http_server(app: Any, host: str, port: int) -> uvicorn.Server:
    """A server for an ASGI app or the name of one; `run` serves until SIGTERM, SIGINT or `should_exit`."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_S,
    )
    return uvicorn.Server(config)
