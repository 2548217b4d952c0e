"""What a file names, found before the first of it is published."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Survey:
    """How many messages a file makes (or lines that are refused), and the marks of the events it may hold.

    `subjects` are all of theirs; none are given where there may be more than are worth asking for one by one.
    """

    messages: int
    marks: frozenset[bytes]
    subjects: frozenset[str] = frozenset()


def mark(subject: str, event_id: str) -> bytes:
    """What stands for an event: its subject and its id, which are the event for the folds."""
    return hashlib.blake2b(f"{subject}\0{event_id}".encode(), digest_size=16).digest()
