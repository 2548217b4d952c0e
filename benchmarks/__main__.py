"""`python -m benchmarks [name ...] [--quick]`: measure, print one table a benchmark, keep results/<name>.json."""

import argparse
import asyncio
import os
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import Any

from rich.console import Console

from benchmarks.figures import Figures
from benchmarks.options import Options

Benchmark = Callable[[Options], Coroutine[Any, Any, list[Figures]]]

NAMES = (
    "learning", "policies", "experiments", "estimators", "parity", "scoring", "updating", "publishing", "reading",
    "projecting", "replaying", "answering", "shadowing", "watching",
)  # fmt: skip
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(NAMES)}; all when none is given")
    parser.add_argument("--quick", action="store_true", help="only to see that everything runs")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark named {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    # Set before any benchmark imports numpy, and inherited by every process they start.
    os.environ.update(dict.fromkeys(THREADS, "1"))
    options = Options.quick() if arguments.quick else Options()
    console = Console(width=max(Console().width, 120))
    for name in arguments.names or NAMES:
        run: Benchmark = import_module(f"benchmarks.{name}").run
        for figures in asyncio.run(run(options)):
            figures.show(console)
            console.print(f"  -> {figures.save()}\n", style="dim", highlight=False)


if __name__ == "__main__":
    main()
