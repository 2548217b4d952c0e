"""Whether the log is whole: it begins with StreamStarted, and every gap has an erasure's receipt."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from contracts.codec import Decoder, NotTipstream, trust_of
from contracts.envelope import Entry, Recorded
from contracts.events.admin import UserErased

RECEIPTS = "tips.admin.user.erased.*"
Range = tuple[int, int]


class StreamRange(Protocol):
    """The part of a stream's description that is asked for here."""

    @property
    def created(self) -> str: ...
    @property
    def first_seq(self) -> int: ...
    @property
    def last_seq(self) -> int: ...


class Log(Protocol):
    """What continuity asks of the bus."""

    async def info(self) -> StreamRange: ...
    async def get(self, seq: int) -> Recorded | None: ...
    async def missing(self, first: int, last: int) -> list[Range]: ...
    def read(
        self, after: int, *, upto: int | None = None, subjects: Sequence[str] = ()
    ) -> AsyncIterator[list[Recorded]]: ...


@dataclass(frozen=True, slots=True)
class Continuity:
    """What is missing from 1 to `last_seq`; `unexplained` are the ranges (first, last) without a receipt."""

    last_seq: int
    begins_with_start: bool
    explained: tuple[Range, ...]
    unexplained: tuple[Range, ...]

    @property
    def full(self) -> bool:
        return self.begins_with_start and not self.unexplained

    @property
    def missing(self) -> int:
        """How many sequences hold no event."""
        return sum(last - first + 1 for first, last in (*self.explained, *self.unexplained))

    def complaint(self) -> str:
        """What is wrong, in words; empty when nothing is."""
        said = [] if self.begins_with_start else ["the log no longer begins with StreamStarted"]
        if self.unexplained:
            shown = ", ".join(f"{first}-{last}" for first, last in self.unexplained[:10])
            said.append(f"events are missing without an erasure's receipt: {shown}")
        return "; ".join(said)


async def continuity(log: Log, upto: int | None = None) -> Continuity:
    """Look at the log up to a sequence (its end, when None)."""
    info = await log.info()
    last = info.last_seq if upto is None else upto
    first = await log.get(1)
    try:
        decoder = Decoder(info.created, trust_of(first))
    except NotTipstream:
        return Continuity(last, False, (), tuple(await log.missing(1, last)))
    gaps = await log.missing(1, last)
    receipts = await _receipts(log, decoder, info.last_seq) if gaps else []
    unexplained = [piece for gap in gaps for piece in uncovered(gap, receipts)]
    explained = [gap for gap in gaps if not uncovered(gap, receipts)]
    return Continuity(last, True, tuple(explained), tuple(unexplained))


async def _receipts(log: Log, decoder: Decoder, last: int) -> list[Range]:
    found: list[Range] = []
    async for batch in log.read(0, upto=last, subjects=[RECEIPTS]):
        for recorded in batch:
            item = decoder.decode(recorded)
            if isinstance(item, Entry) and isinstance(item.event, UserErased):
                found += [(first, last) for first, last in item.event.ranges]
    return found


def uncovered(gap: Range, receipts: Sequence[Range]) -> list[Range]:
    """The parts of a gap (first, last) that no receipt covers, in order."""
    left, first = [], gap[0]
    for begin, end in sorted(receipts):
        if end < first or begin > gap[1]:
            continue
        if begin > first:
            left.append((first, begin - 1))
        first = max(first, end + 1)
    if first <= gap[1]:
        left.append((first, gap[1]))
    return left
