"""`tipstream train`: from the log to a registered model with its card, in this process, resumed where it failed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from contracts.errors import TipstreamError
from services.cli import panels
from services.settings import Settings

if TYPE_CHECKING:
    from ml.pipelines.flow import Trained
    from ml.pipelines.watching import Watch


class NoRegistry(TipstreamError):
    """There is no MLflow server that a model could be registered in; the message says how to have one."""


def add_to(app: typer.Typer) -> None:
    """Register the command of this module."""
    app.command(rich_help_panel=panels.MODELS)(train)


def train(
    upto_seq: Annotated[
        int | None, typer.Option(help="Train on the log up to this sequence; all of it.", min=1)
    ] = None,
    seed: Annotated[int, typer.Option(help="Same log, same code, same seed: the same model.", min=0)] = 7,
    name: Annotated[str, typer.Option(help="The model that it is a version of.")] = "prior",
    segment: Annotated[str, typer.Option(help="The segment that is compared besides: day or hours.")] = "day",
    young: Annotated[
        bool, typer.Option("--young", help="Also decisions younger than 24 h, whose reaction may still come.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was registered as JSON.")] = False,
) -> None:
    """Fit a prior on the log, judge it, write its card, register it; run again after a failure, it goes on there."""
    from ml.pipelines.run import check_name
    from ml.pipelines.segments import check_segment
    from ml.pipelines.watching import WATCH
    from ml.pipelines.workshop import importing, workshop

    check_name(name)
    check_segment(segment)
    settings = Settings()
    if settings.mlflow == "off" and settings.mlflow_url is None:
        raise NoRegistry(
            "TIPSTREAM_MLFLOW is off, and a model is registered in MLflow; unset it, or name a server in "
            "TIPSTREAM_MLFLOW_URL"
        )
    with workshop(settings), _shown() as watch:
        # Only now: Prefect reads its settings while it is imported.
        with importing():
            from ml.pipelines.flow import train as flow

        WATCH.set(watch)
        trained: Trained = asyncio.run(flow(name=name, seed=seed, segment=segment, young=young, upto_seq=upto_seq))
    if as_json:
        said = {"model_version": trained.model_version, "digest": trained.digest, "aliases": trained.aliases}
        print(orjson.dumps(said | {"card": trained.card.model_dump()}, option=orjson.OPT_INDENT_2).decode())
        return
    print(f"version    {trained.model_version} ({', '.join(trained.aliases) or 'no alias'})")
    print(f"digest     {trained.digest}")
    for check in trained.card.checks:
        print(f"{'passed' if check.passed else 'FAILED':<10} {check.name}: {check.said}")


@contextmanager
def _shown() -> "Iterator[Watch]":
    """A bar for each step, on standard error."""
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bars = {}

        def watch(step: str, done: int, total: int) -> None:
            if step not in bars:
                bars[step] = progress.add_task(step, total=total)
            progress.update(bars[step], completed=done, total=total)

        yield watch
