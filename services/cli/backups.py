"""`tipstream backup` and `restore`: the whole installation in one file, and back."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from services.backup.archive import Progress as Tell
from services.backup.archive import verified
from services.backup.manifest import Manifest
from services.bus.jetstream import JetStreamBus
from services.cli import panels
from services.cli.ending import run_to_its_end
from services.cli.output import visible
from services.durable import NotWritten, check_place
from services.settings import Settings, make_folder

CONNECT_S = 5.0


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command(rich_help_panel=panels.LOG)(backup)
    app.command(rich_help_panel=panels.LOG)(restore)


def backup(
    path: Annotated[Path, typer.Argument(help="The file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file that is there.")] = False,
) -> None:
    """Write the log and what of HOME is not made from it into one file, while everything runs."""
    from services.backup.taking import take

    settings = Settings()
    if str(path) == "-":
        raise NotWritten("a backup is not printed, it holds the keys; give it a name")
    check_place(path, force=force, home=settings.home)

    async def run() -> Manifest:
        bus = await JetStreamBus.connect(settings.bus_url, name="tipstream backup", timeout=CONNECT_S)
        try:
            with _shown() as tell:
                return await take(bus, settings, path, tell, force=force)
        finally:
            await bus.close()

    manifest = run_to_its_end(run())
    print(visible(f"{path}: {decimal(path.stat().st_size)}, {_summary(manifest)}"))


def restore(
    path: Annotated[Path, typer.Argument(help="A file that `tipstream backup` wrote.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Verify the file, say what is in it, and touch nothing.")
    ] = False,
) -> None:
    """Verify a backup and put it into an empty HOME; Tipstream must not run on it."""
    from services.backup.restoring import restore as put_back
    from services.supervisor.ports import claim_home

    if dry_run:
        with _shown() as tell:
            manifest = verified(path, tell)
        for line in manifest.lines():
            print(visible(line))
        print("every part is as it was backed up; nothing has been touched")
        return
    settings = Settings()
    for folder in (settings.home, settings.run_dir):
        make_folder(folder)
    with claim_home(settings), _shown() as tell:
        manifest = run_to_its_end(put_back(settings, path, tell))
    print(visible(f"restored to {settings.home}: {_summary(manifest)}"))
    print(
        "start it with `tipstream up`, which folds the log anew, and prove it with `tipstream verify`", file=sys.stderr
    )


def _summary(manifest: Manifest) -> str:
    log = manifest.log
    inside = ", ".join(["log", *manifest.parts])
    return f"events {log.first_seq}-{log.last_seq} ({log.messages:,}); inside: {inside}"


@contextmanager
def _shown() -> Iterator[Tell]:
    """A progress bar on standard error, where somebody sees it; the mail of a nightly job has no use for one."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)

        def tell(doing: str, done: int, total: int | None) -> None:
            progress.update(task, description=doing, completed=done, total=total)

        yield tell
