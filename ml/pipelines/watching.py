"""Who watches a run in this process; in a module of its own, since Prefect pickles the flow's for another process."""

from collections.abc import Callable
from contextvars import ContextVar

Watch = Callable[[str, int, int], None]
"""Called with a step, how far it is, and how far it goes."""

WATCH: ContextVar[Watch] = ContextVar("watch", default=lambda step, done, total: None)


def watched(step: str) -> Callable[[int, int], None]:
    """Tells the watcher how far a step is."""
    watch = WATCH.get()
    return lambda done, total: watch(step, done, total)
