"""The commands that run processes: all of them (`up`), or one."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from services.cli import panels
from services.settings import Settings

People = Annotated[int, typer.Option(help="How many simulated people.", min=1, max=5000)]
Days = Annotated[int, typer.Option(help="How many days of history.", min=1, max=365)]
Seed = Annotated[int, typer.Option(help="The same seed gives the same people and the same history.")]


def add_to(app: typer.Typer) -> None:
    """Register the command that runs all."""
    app.command(rich_help_panel=panels.RUN)(up)


def add_each_to(app: typer.Typer) -> None:
    """Register the commands that run one process."""
    for command in (api, scorer, projector, analytics, query, replayer, shadow, mlflow, demo):
        app.command(rich_help_panel=panels.ONE_PROCESS)(command)


def up(
    demo: Annotated[bool, typer.Option("--demo", help="Add simulated people: history first, then live.")] = False,
    people: People = 60,
    days: Days = 30,
    seed: Seed = 7,
) -> None:
    """Start everything, restart what dies, end all on Ctrl-C."""
    from services.supervisor.up import Supervisor

    options = {"people": str(people), "days": str(days), "seed": str(seed)} if demo else None

    async def run() -> None:
        await Supervisor(Settings(), Console(), demo=options).run()

    asyncio.run(run())


def api() -> None:
    """The HTTP API and the console on TIPSTREAM_PORT."""
    from console.app import run_console

    run_console(Settings())


def scorer() -> None:
    """The scorer on TIPSTREAM_SCORER_PORT (loopback)."""
    from ml.serving.app import run_scorer

    run_scorer(Settings())


def projector() -> None:
    """Fold the stream into SQLite."""
    from projections.worker import run_projector

    run_projector(Settings())


def analytics() -> None:
    """Fold the stream into DuckDB, for the console's own pages."""
    from projections.worker import run_analytics

    run_analytics(Settings())


def query() -> None:
    """Fold the stream into a locked DuckDB and serve people's SQL on TIPSTREAM_QUACK_PORT."""
    from projections.worker import run_query

    run_query(Settings())


def replayer() -> None:
    """Carry out the replays that are asked for in the stream."""
    from projections.rebuild import run_replayer

    run_replayer(Settings())


def shadow() -> None:
    """Score every decision along for the policies in shadow."""
    from ml.serving.shadow import run_shadow

    run_shadow(Settings())


def mlflow(
    host: Annotated[
        str, typer.Option(help="The address to bind to. It asks nobody for a password: loopback, or a closed network.")
    ] = "127.0.0.1",
) -> None:
    """The MLflow server on TIPSTREAM_MLFLOW_PORT; the console shows it at /admin/models."""
    from ml.registry.server import run_mlflow

    run_mlflow(Settings(), host=host)


def demo(
    people: People = 60,
    days: Days = 30,
    seed: Seed = 7,
    history_only: Annotated[bool, typer.Option("--history-only", help="End when the history is published.")] = False,
) -> None:
    """Simulated people: publish their history once, then let them live against the running API."""
    from services.demo.run import run_demo

    run_demo(Settings(), people=people, days=days, seed=seed, history_only=history_only)
