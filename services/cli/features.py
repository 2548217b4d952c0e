"""`tipstream features`: what features there are, and the signals as a Feast repository."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from contracts.errors import TipstreamError
from ml.features.definitions import CURRENT, FEATURE_SETS
from ml.features.listing import FEATURE_COLUMNS, SIGNAL_COLUMNS, cell, described, markdown
from ml.offline.feast_repo import check_place, export_feast
from projections.afresh import folded_afresh
from services.bus.jetstream import JetStreamBus
from services.cli import panels
from services.cli.ending import run_to_its_end
from services.cli.operations import CONNECT_S, BadOption
from services.cli.rows import show_rows
from services.settings import Settings

features = typer.Typer(no_args_is_help=True, help="The features that decisions are made from.")


class FeastMissing(TipstreamError):
    """Feast is not installed: install Tipstream with its extra, pip install 'tipstream[pipelines]'."""


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.add_typer(features, name="features", rich_help_panel=panels.MODELS)


@features.command("list")
def list_features(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/features.md.")] = False,
) -> None:
    """List every feature set with the definitions of its features and of the signals that they read."""
    if as_json and as_markdown:
        raise BadOption("--json and --markdown exclude each other")
    sets = [described(feature_set) for feature_set in FEATURE_SETS.values()]
    if as_json:
        print(orjson.dumps(sets, option=orjson.OPT_INDENT_2).decode())
    elif as_markdown:
        print(markdown(), end="")
    else:
        for told in sets:
            for columns, rows in ((FEATURE_COLUMNS, told["features"]), (SIGNAL_COLUMNS, told["signals"])):
                print(told["name"])
                show_rows(Console(), columns, [[cell(column, row) for column in columns] for row in rows])


@features.command("export-feast")
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; a new folder, or one written before.")],
) -> None:
    """Write the signals of the whole log as a Feast repository: what was known of whom, when."""
    if find_spec("feast") is None:
        raise FeastMissing(FeastMissing.__doc__)
    # Before the log is folded, which takes its time.
    check_place(folder)

    async def run() -> dict[str, int]:
        bus = await JetStreamBus.connect(Settings().bus_url, name="tipstream features", timeout=CONNECT_S)
        columns = (TextColumn("folding the log"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        try:
            with Progress(*columns, console=Console(stderr=True)) as progress:
                task = progress.add_task("", total=None)

                def advance(done: int, total: int) -> None:
                    progress.update(task, completed=done, total=total)

                async with folded_afresh(bus, advance) as sink:
                    with sink.cursor() as cursor:
                        return export_feast(cursor, FEATURE_SETS[CURRENT], folder)
        finally:
            await bus.close()

    written = run_to_its_end(run())
    for file, rows in written.items():
        print(f"{file:<24} {rows:>10,} rows")
    print(f"{folder} is written; next, in it: feast apply, then feast materialize 1970-01-01T00:00:00 <now>")
