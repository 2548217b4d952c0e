"""The `tipstream` command: one door to every process and to the tools for producers, analysts and ops."""

import sys

import typer

from contracts.errors import TipstreamError
from services.cli import (
    accounts,
    backups,
    erasing,
    evaluating,
    events,
    exporting,
    features,
    operations,
    output,
    processes,
    training,
)
from services.cli.arguments import text_of

app = typer.Typer(name="tipstream", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
processes.add_to(app)
events.add_to(app)
exporting.add_to(app)
operations.add_to(app)
erasing.add_to(app)
backups.add_to(app)
evaluating.add_to(app)
features.add_to(app)
training.add_to(app)
accounts.add_to(app)
processes.add_each_to(app)


@app.callback()
def root() -> None:
    """Tipstream: one tip for one person at one moment, with proof."""


def main() -> None:
    """Run the command line; an error of Tipstream's own ends it with its message and status 1."""
    output.escape_what_is_lacking()
    try:
        try:
            app([text_of(argument) for argument in sys.argv[1:]])
        finally:
            sys.stdout.flush()
    except TipstreamError as error:
        print(f"tipstream: {output.visible(str(error))}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if not output.is_lost(error):
            raise
        if not isinstance(error, BrokenPipeError):
            said = f"the output cannot be written ({error.strerror}); make room, or send it elsewhere"
            print(f"tipstream: {said}", file=sys.stderr)
        sys.exit(1)
