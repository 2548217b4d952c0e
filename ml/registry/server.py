"""The MLflow server, run in this process under the path where the console shows it.

`mlflow server` imports everything twice, in a launcher and in the server it starts, and leaves the second one behind
when the first is killed. So its app is served here, with what the launcher would put into the environment.
"""

import os
from urllib.parse import urlsplit
from uuid import uuid4

from services.http_server import http_server
from services.settings import Settings

MOUNT = "/admin/models"
"""The path that everything MLflow serves stands under: a tracking URI is `settings.mlflow_base` + MOUNT."""

NICENESS = 5
"""MLflow needs a processor for ten seconds to start; whatever else starts goes first."""

ARTIFACTS = "mlflow-artifacts:/"


def run_mlflow(settings: Settings, *, host: str) -> None:
    """Serve until SIGTERM or SIGINT; the database and the artifacts lie in HOME/mlflow."""
    settings.make_home()
    os.nice(NICENESS)
    # What MLflow writes to a relative path.
    os.chdir(settings.mlflow_dir)
    os.environ.update(environment(settings))
    # Only now: MLflow reads the environment while it is imported.
    from mlflow.server.handlers import initialize_backend_stores

    initialize_backend_stores(_database(settings), _database(settings), ARTIFACTS)
    http_server("mlflow.server.fastapi_app:app", host, settings.mlflow_port).run()


def environment(settings: Settings) -> dict[str, str]:
    """The options of `mlflow server` as its app reads them (`mlflow/server/constants.py`)."""
    return {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_SERVER_X_FRAME_OPTIONS": "SAMEORIGIN",
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"localhost:*,127.0.0.1:*,{urlsplit(settings.mlflow_base).netloc}",
        "_MLFLOW_SERVER_BOOT_ID": uuid4().hex,
        "_MLFLOW_SGI_NAME": "uvicorn",
        "_MLFLOW_IN_JOB_EXECUTOR": "false",
        "_MLFLOW_SERVER_FILE_STORE": _database(settings),
        "_MLFLOW_SERVER_REGISTRY_STORE": _database(settings),
        "_MLFLOW_SERVER_ARTIFACT_ROOT": ARTIFACTS,
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": (settings.mlflow_dir / "artifacts").as_uri(),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_STATIC_PREFIX": MOUNT,
    }


def _database(settings: Settings) -> str:
    return f"sqlite:///{settings.mlflow_dir / 'mlflow.db'}"
