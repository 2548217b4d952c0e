"""`tipstream export`: the events of the log to a file, while it goes on."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from projections.rate import Rate
from services.bootstrap import open_decoder
from services.bus.jetstream import JetStreamBus
from services.cli import panels
from services.cli.ending import run_to_its_end
from services.cli.operations import CONNECT_S, User
from services.cli.output import visible
from services.durable import check_place
from services.exporting.errors import ExportFailed
from services.exporting.export import Exported, Wanted, Watcher, export_events
from services.exporting.lines import event_line
from services.exporting.target import Format, Put, format_of, target
from services.settings import Settings

STANDARD_OUTPUT = "-"


def add_to(app: typer.Typer) -> None:
    """Register the command of this module."""
    app.command(rich_help_panel=panels.EVENTS)(export)


def export(
    path: Annotated[str, typer.Argument(help="A new .jsonl, .jsonl.gz or .parquet; - prints JSON lines.")],
    kind: Annotated[
        Format | None,
        typer.Option("--format", help="jsonl: CloudEvents, one a line; parquet: a table. Default: by the name."),
    ] = None,
    from_seq: Annotated[int | None, typer.Option(help="Begin at this sequence.", min=1)] = None,
    upto_seq: Annotated[
        int | None, typer.Option(help="End at this sequence; default: the last one now.", min=1)
    ] = None,
    user: User = None,
    subject: Annotated[str | None, typer.Option(help="A subject pattern with NATS wildcards.")] = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Leave out what no other installation imports.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file that is there.")] = False,
) -> None:
    """Write the events of the log, in order, to a file that `tipstream import`, DuckDB or pandas read."""
    wanted = Wanted(from_seq, upto_seq, user, subject, unsigned)
    wanted.check()
    settings = Settings()
    if path != STANDARD_OUTPUT:
        form = format_of(Path(path), kind)
        check_place(Path(path), force=force, home=settings.home)
    elif kind is Format.PARQUET:
        raise ExportFailed("a Parquet file is not printed; give it a name")

    async def run() -> Exported:
        bus = await JetStreamBus.connect(settings.bus_url, name="tipstream export", timeout=CONNECT_S)
        try:
            decoder = await open_decoder(bus)
            with _progress(path) as advance:
                if path == STANDARD_OUTPUT:
                    return await export_events(bus, decoder, wanted, _printing(), advance)
                with target(Path(path), form, force=force) as put:
                    return await export_events(bus, decoder, wanted, put, advance)
        finally:
            await bus.close()

    done = run_to_its_end(run())
    where = "standard output" if path == STANDARD_OUTPUT else path
    print(visible(f"{where}: {done.summary()}"), file=sys.stderr if path == STANDARD_OUTPUT else sys.stdout)


def _printing() -> Put:
    """Prints lines: to a program as they are, to a terminal so that none can drive it, which is the same JSON."""
    output = sys.stdout.buffer
    if sys.stdout.isatty():
        return lambda entry: output.write(visible(event_line(entry).decode()).encode())
    return lambda entry: output.write(event_line(entry))


@contextmanager
def _progress(path: str) -> Iterator[Watcher]:
    # A name may hold what is markup elsewhere.
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    rate, counted = Rate(), 0
    with Progress(
        *columns, TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), console=Console(stderr=True)
    ) as progress:
        name = "" if path == STANDARD_OUTPUT else visible(Path(path).name)
        task = progress.add_task(f"exporting {name}".rstrip(), total=None, rate="")

        def advance(done: int, total: int, events: int) -> None:
            nonlocal counted
            rate.count(events - counted)
            counted = events
            progress.update(task, completed=done, total=total, rate=f"{rate.per_second():,.0f} events/s")

        yield advance
