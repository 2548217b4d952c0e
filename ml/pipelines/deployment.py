"""`python -m ml.pipelines.deployment`: serve the flow `train` on a schedule to a `prefect server`.

PREFECT_API_URL names the server, the TIPSTREAM_* variables the installation; this process carries the runs out, so it
stands where the log and MLflow can be reached.
"""

import os
import sys

from ml.pipelines.workshop import API, NoRoom, WorkshopClosed, workshop
from services.settings import Settings

NAME = "nightly"
CRON = "0 3 * * *"
"""Three in the morning, UTC."""


def serve() -> None:
    """Serve until Ctrl-C. Raises WorkshopClosed without PREFECT_API_URL, NoRoom."""
    if not os.environ.get(API):
        raise WorkshopClosed(f"{API} must name a running `prefect server`, such as http://127.0.0.1:4200/api")
    with workshop(Settings()):
        # Only now: Prefect reads its settings while it is imported.
        from prefect.schedules import Cron

        from ml.pipelines.flow import train

        train.serve(name=NAME, schedule=Cron(CRON, timezone="UTC"), tags=["tipstream"])


if __name__ == "__main__":
    try:
        serve()
    except (WorkshopClosed, NoRoom) as error:
        sys.exit(f"tipstream: {error}")
