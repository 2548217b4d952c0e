"""The stream as the code declares it, what its state looks like, and which messages it takes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from contracts.envelope import Message
from contracts.headers import MSG_ID
from contracts.subjects import ALL, PREFIX
from contracts.times import parse_time
from services.bus.errors import PublishRefused, StreamMismatch

DUPLICATE_WINDOW_S = 600
MAX_BATCH = 1000
# The server closes a connection whose control line is longer than 4096 bytes; reply and sizes share that line.
MAX_SUBJECT = 3500
SUBJECT = re.compile(rf"{PREFIX}(\.[^\s.*>\x00-\x1f]+)+\Z")

# Created with these; everything in `FIXED` is compared with the server's answer at each start.
DECLARED: Mapping[str, object] = {
    "subjects": [ALL],
    "storage": "file",
    "retention": "limits",
    "discard": "old",
    "compression": "s2",
    "allow_direct": True,
    "allow_atomic": True,
    "duplicate_window": DUPLICATE_WINDOW_S * 1_000_000_000,
}
# What the server leaves out of its answer has these values. Roll-ups, schedules, TTL and counters would let a
# producer's headers remove or rewrite events; the deny flags would forbid erasing a person.
ABSENT: Mapping[str, object] = {
    "allow_rollup_hdrs": False,
    "allow_msg_schedules": False,
    "allow_msg_ttl": False,
    "allow_msg_counter": False,
    "deny_delete": False,
    "deny_purge": False,
    "sealed": False,
    "no_ack": False,
    "persist_mode": "default",
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_msgs_per_subject": -1,
    "max_msg_size": -1,
    "mirror": None,
    "sources": None,
    "subject_transform": None,
}
FIXED: Mapping[str, object] = {**DECLARED, **ABSENT}


@dataclass(frozen=True, slots=True)
class Ack:
    """Where an event stands; `duplicate` when its id was there before, be it from an earlier attempt of one's own."""

    seq: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """A stream's state; `created` (RFC 3339) names its incarnation, `deleted` counts the gaps inside, `mismatch` says
    which of its settings is not what the code declares, `told_us` is the server's clock then (None: unknown)."""

    name: str
    created: str
    first_seq: int
    last_seq: int
    messages: int
    deleted: int
    bytes: int
    mismatch: str | None = None
    told_us: int | None = field(default=None, compare=False)

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """From a JetStream STREAM.INFO or STREAM.CREATE answer."""
        state, name = answer["state"], answer["config"]["name"]
        return cls(
            name=name,
            created=answer["created"],
            first_seq=state["first_seq"],
            last_seq=state["last_seq"],
            messages=state["messages"],
            deleted=state.get("num_deleted", 0),
            bytes=state["bytes"],
            mismatch=_mismatch(name, answer["config"]),
            told_us=to_ns(answer["ts"]) // 1000 if "ts" in answer else None,
        )


def check_config(stream: str, have: Mapping[str, object]) -> None:
    """Compare every fixed setting with the server's; StreamMismatch names the first that differs."""
    for name, want in FIXED.items():
        found = have.get(name, ABSENT.get(name, False))
        if found != want:
            raise StreamMismatch(stream, name, want, found)


def _mismatch(stream: str, have: Mapping[str, object]) -> str | None:
    try:
        check_config(stream, have)
    except StreamMismatch as problem:
        return str(problem)
    return None


def check_message(message: Message, max_payload: int) -> None:
    """PublishRefused for a message the server would drop unseen, or close the connection for."""
    try:
        subject_size = len(message.subject.encode())
        size = len(message.data) + len("".join([*message.headers, *message.headers.values()]).encode())
    except UnicodeEncodeError as problem:
        raise PublishRefused(f"{message.subject[:80]!r}: subject or headers are not Unicode text") from problem
    if not message.headers.get(MSG_ID):
        raise PublishRefused(f"{message.subject[:80]}: needs a {MSG_ID} header, a retry would count twice without")
    if not SUBJECT.match(message.subject) or subject_size > MAX_SUBJECT:
        raise PublishRefused(
            f"{message.subject[:80]!r}: needs a subject of {ALL} without blanks, wildcards or empty parts, "
            f"of at most {MAX_SUBJECT} bytes"
        )
    size += 14 + 4 * len(message.headers)
    if size > max_payload:
        raise PublishRefused(f"{message.subject[:80]}: {size} bytes with headers, the limit is {max_payload}")


def ranges(seqs: Sequence[int]) -> list[tuple[int, int]]:
    """Rising sequence numbers as inclusive ranges: [2, 3, 5] -> [(2, 3), (5, 5)]."""
    found: list[tuple[int, int]] = []
    for seq in seqs:
        if found and found[-1][1] == seq - 1:
            found[-1] = (found[-1][0], seq)
        else:
            found.append((seq, seq))
    return found


def to_ns(text: str) -> int:
    """Nanoseconds since 1970 of the server's RFC 3339 time in UTC, which leaves out trailing zeros."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return parse_time(whole + "Z") * 1000 + int(fraction.ljust(9, "0"))
