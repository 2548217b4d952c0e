"""The `tipstream` command: one door to every process and to the tools for operators."""

import typer

app = typer.Typer(name="tipstream", no_args_is_help=True, add_completion=False, help=__doc__)


@app.callback()
def root() -> None:
    """Tipstream: one tip for one person at one moment, with proof."""


def main() -> None:
    """Run the command line."""
    app()
