"""What an erasure takes from the log: every event whose subject names a person, and the replays asked for them."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from contracts.envelope import Recorded
from contracts.events.admin import QuerySaved, ReplayRequested, SqlExecuted, UserErasureRequested
from contracts.events.person import ShadowScored, TipScored
from contracts.subjects import build, encode_id, matches, person_filters
from projections.continuity import RECEIPTS, StreamRange

REQUESTS = UserErasureRequested.SUBJECT.format(user_id="*")
REPLAYS_ASKED = ReplayRequested.SUBJECT.format(replay_id="*")
QUOTING = {"statements": SqlExecuted.SUBJECT, "saved_queries": QuerySaved.SUBJECT.format(query_id="*")}
KINDS = {"feedback": "feedback", "signal": "signals", "scored": "decisions", "shadow": "shadow_decisions"}


class Bus(Protocol):
    """What finding a person's events asks of the bus."""

    async def info(self) -> StreamRange: ...
    def read(
        self, after: int, *, upto: int | None = None, subjects: Sequence[str] = ()
    ) -> AsyncIterator[list[Recorded]]: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What erasing a person would take: events by kind and their bytes; `quoted` counts texts of admins and analysts
    that hold the id and stay."""

    user_id: str
    upto_seq: int
    events: dict[str, int] = field(default_factory=dict)
    bytes: int = 0
    quoted: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many events would go."""
        return sum(self.events.values())

    def lines(self) -> list[str]:
        """The plan for people."""
        said = [f"would erase {self.total:,} events ({self.bytes:,} bytes) about {self.user_id!r:.80}; none has been"]
        said += [f"  {count:>9,} {kind.replace('_', ' ')}" for kind, count in self.events.items()]
        said += [f"stays: {count:,} {kind.replace('_', ' ')} that quote the id" for kind, count in self.quoted.items()]
        return said


async def plan_erasure(bus: Bus, user_id: str) -> Plan:
    """What erasing a person would take as the log stands now."""
    last, size = (await bus.info()).last_seq, 0
    kinds: Counter[str] = Counter()
    async for recorded in about(bus, user_id, upto=last):
        kinds[kind_of(recorded.subject)] += 1
        size += len(recorded.data)
    return Plan(user_id, last, dict(sorted(kinds.items())), size, await _quoted(bus, user_id, last))


async def erased_upto(bus: Bus, upto: int) -> int:
    """The last receipt of an erasure that is done, 0 for none: whoever reads the log up to `upto` from now on finds
    nothing of its person."""
    last = (await bus.info()).last_seq
    receipts = [one.seq async for batch in bus.read(0, upto=last, subjects=[RECEIPTS]) for one in batch]
    # Asked second: the receipt stands before anything goes, and the request goes last. Up to `upto` the fold heeds it.
    pending = [one.seq async for batch in bus.read(upto, upto=last, subjects=[REQUESTS]) for one in batch]
    before = min(pending, default=last + 1)
    return max((seq for seq in receipts if seq < before), default=0)


def subjects_about(user_id: str) -> list[str]:
    """The subject filters that let through every event about a person, and replays of whomever; see `is_about`."""
    return [*person_filters(user_id), REPLAYS_ASKED]


def is_about(recorded: Recorded, user_id: str) -> bool:
    """Whether what came through `subjects_about` is about that person: only its body says of whom a replay is."""
    return not matches(REPLAYS_ASKED, recorded.subject) or _object(recorded).get("user_id") == user_id


async def about(bus: Bus, user_id: str, *, upto: int) -> AsyncIterator[Recorded]:
    """Every event about a person up to a sequence, dead letters too."""
    async for batch in bus.read(0, upto=upto, subjects=subjects_about(user_id)):
        for recorded in batch:
            if is_about(recorded, user_id):
                yield recorded


async def made_before(bus: Bus, user_id: str, seq: int, *, upto: int) -> AsyncIterator[int]:
    """The decisions of a person that stand after a sequence and were made from what had been folded before it.

    With them go the shadow decisions of those and of earlier ones.
    """
    scored = build(TipScored.SUBJECT, {"user_id": user_id})
    shadows = ShadowScored.SUBJECT.format(policy="*", user_id=encode_id(user_id))
    since: set[object] = set()
    async for batch in bus.read(seq, upto=upto, subjects=[scored, shadows]):
        for recorded in batch:
            body = _object(recorded)
            if recorded.subject == scored:
                known = body.get("model_seq", 0)
                if body.get("external") or not isinstance(known, int) or known >= seq:
                    since.add(body.get("decision_id"))
                    continue
            elif body.get("decision_id") in since:
                continue
            yield recorded.seq


def erasure_subject(erasure_id: str) -> str:
    """Where the worker tells how far an erasure is: core NATS, outside the log."""
    return f"tipstream.progress.erase.{erasure_id}"


def kind_of(subject: str) -> str:
    """What an event about a person is called in a plan."""
    tokens = subject.split(".")
    if tokens[1] == "admin":
        return {"bandit": "resets", "replay": "replays"}.get(tokens[2], "erasure_requests")
    return KINDS[tokens[1]]


async def _quoted(bus: Bus, user_id: str, upto: int) -> dict[str, int]:
    found = dict.fromkeys(QUOTING, 0)
    for kind, subject in QUOTING.items():
        async for batch in bus.read(0, upto=upto, subjects=[subject]):
            found[kind] += sum(user_id in str(_object(recorded).get("sql", "")) for recorded in batch)
    return {kind: count for kind, count in found.items() if count}


def _object(recorded: Recorded) -> dict[str, object]:
    """A body that is a JSON object, else nothing: what is none is a dead letter."""
    try:
        body = orjson.loads(recorded.data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
