"""The HTTP API put together: settings in, an ASGI app out, and the process that serves it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from ml.registry.server import MOUNT
from projections.queries import ReadModel
from services.accounts.accounts import Accounts
from services.accounts.tickets import Tickets
from services.api import health, login, ml_proxy, mlflow_proxy, public
from services.api.admin import routes as admin
from services.api.body_limit import BodyLimit
from services.api.condition import Watch
from services.api.errors import ProblemDocument, install_errors
from services.api.evaluations import Evaluations
from services.api.gate import Gate
from services.api.history import History
from services.api.mlflow_proxy import mlflow_client
from services.api.parts import Parts
from services.api.replay_progress import ReplayProgress
from services.api.ring import Ring
from services.api.stream_link import StreamLink
from services.api.unknown import refuse_unknown
from services.bootstrap import Bus
from services.http_server import http_server
from services.keys import load_secrets
from services.recommender.recommender import Recommender
from services.recommender.scorer import ScorerClient, scorer_client
from services.releases import release
from services.settings import Settings


def create_app(
    settings: Settings,
    *,
    bus: Bus | None = None,
    scorer_transport: httpx.AsyncBaseTransport | None = None,
    mlflow_transport: httpx.AsyncBaseTransport | None = None,
) -> FastAPI:
    """The API on these settings; tests hand in a bus that is connected and ways to the scorer and MLflow."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        link = StreamLink(settings)
        async with (
            scorer_client(settings.scorer_base, app.state.secrets.api_key, scorer_transport) as scorer,
            mlflow_client(settings.mlflow_base, mlflow_transport) as mlflow,
        ):
            read_model = ReadModel(settings.home)
            ring, replaying, evaluations = Ring(link), ReplayProgress(link), Evaluations(settings)
            recommender = Recommender(read_model, ScorerClient(scorer))
            app.state.parts = Parts(
                settings, link, ring, replaying, evaluations, read_model, scorer, mlflow, recommender,
                app.state.accounts, app.state.tickets,
            )  # fmt: skip
            app.state.watch = Watch(app.state.parts)
            app.state.history = History(app.state.watch)
            if bus is None:
                link.start()
            else:
                await link.use(bus)
            ring.start()
            app.state.history.start()
            replaying.start()
            try:
                yield
            finally:
                await app.state.history.close()
                await ring.close()
                await replaying.close()
                await evaluations.close()
                await link.close()
                read_model.close()

    app = FastAPIOffline(
        title="Tipstream",
        summary="One tip for one person at one moment, learned from what they did with it.",
        version=release("tipstream"),
        lifespan=lifespan,
    )
    app.state.secrets = load_secrets(settings)
    app.state.accounts = Accounts(settings.home)
    app.state.accounts.ensure_admin(app.state.secrets.admin_password)
    app.state.tickets = Tickets(settings.keys_dir)
    app.state.failures = login.Failures()
    app.add_middleware(BodyLimit, streamed=f"{MOUNT}/")
    # The last one added is the first to be asked.
    app.add_middleware(Gate)
    install_errors(app)
    # Their routes as they are: FastAPI builds those of a router that an app includes anew for the app.
    for module in (public, health, login, *admin.MODULES, ml_proxy, mlflow_proxy):
        app.router.routes.extend(module.router.routes)
    refuse_unknown(app)
    _describe_problems(app)
    return app


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    http_server(app, settings.host, settings.port).run()


def _describe_problems(app: FastAPI) -> None:
    """Put the problem document, which routes only refer to, among the schemas of OpenAPI."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        schema = plain()
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        if ProblemDocument.__name__ not in schemas:
            document = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= document.pop("$defs", {}) | {ProblemDocument.__name__: document}
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
