"""Old event versions become today's when they are read; what the stream holds is never rewritten."""

from collections.abc import Callable, Mapping
from typing import Any

Body = dict[str, Any]
Upcaster = Callable[[Body], Body]


def _same(body: Body) -> Body:
    """What is new has a default that says the old event did not know it."""
    return body


UPCASTERS: Mapping[tuple[str, int], Upcaster] = {
    # Version 2 has the digests by table.
    ("tipstream.replay.completed", 1): _same,
    # Version 2 may name an owner beside the actor.
    ("tipstream.query.saved", 1): _same,
}
"""(type, version n) -> the function from a body of version n to one of n + 1."""


def upcast(
    event_type: str,
    version: int,
    latest: int,
    body: Body,
    steps: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
) -> Body:
    """A body lifted step by step to the latest version; LookupError when a step is missing or the future asked for."""
    if version > latest:
        raise LookupError(f"{event_type} version {version} is newer than this release knows ({latest})")
    while version < latest:
        if (event_type, version) not in steps:
            raise LookupError(f"{event_type} version {version} is not known")
        body = steps[event_type, version](body)
        version += 1
    return body
