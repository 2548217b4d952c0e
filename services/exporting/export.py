"""`tipstream export`: the events of the log in order, read up to where it ended when the export began."""

from collections.abc import Callable
from dataclasses import dataclass

from contracts.codec import Decoder
from contracts.envelope import Malformed, Recorded
from contracts.subjects import check_pattern, encode_id, matches
from projections.erasure import Bus, is_about, subjects_about
from services.exporting.errors import ExportFailed
from services.exporting.target import Put

Watcher = Callable[[int, int, int], None]
"""Called with how many sequences have been looked at, how many there are to look at, and how many events came of it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events: sequences (both included), a person as an erasure would find them, a subject pattern.

    `unsigned` leaves out admin and catalog events, which no other installation takes.
    """

    from_seq: int | None = None
    upto_seq: int | None = None
    user_id: str | None = None
    subject: str | None = None
    unsigned: bool = False

    def check(self) -> None:
        """Raises BadId, BadSubject, and ExportFailed for sequences in the wrong order."""
        if self.subject is not None:
            check_pattern(self.subject)
        if self.user_id is not None:
            encode_id(self.user_id)
        if self.from_seq is not None and self.upto_seq is not None and self.from_seq > self.upto_seq:
            raise ExportFailed(f"nothing lies from sequence {self.from_seq} up to {self.upto_seq}")

    def bounds(self, last: int) -> tuple[int, int]:
        """The first and last sequence to read of a log that ends at `last`. Raises ExportFailed beyond it."""
        first, upto = self.from_seq or 1, self.upto_seq or last
        if (beyond := max(first, upto)) > last:
            raise ExportFailed(f"sequence {beyond} is beyond the log, which ends at {last}")
        return first, upto

    def subjects(self) -> list[str]:
        """The filters to read by; what comes through them may still not be wanted."""
        if self.user_id is not None:
            return subjects_about(self.user_id)
        return [] if self.subject is None else [self.subject]

    def takes(self, recorded: Recorded) -> bool:
        """Whether a message is one of them, if it is an event."""
        if self.user_id is None:
            return True
        return is_about(recorded, self.user_id) and (self.subject is None or matches(self.subject, recorded.subject))


@dataclass(slots=True)
class Exported:
    """What an export wrote: the events, their first and last sequence (0 without any), and how many it left out."""

    events: int = 0
    first_seq: int = 0
    last_seq: int = 0
    malformed: int = 0
    signed: int = 0

    def summary(self) -> str:
        """One line without the name of the file."""
        said = "1 event" if self.events == 1 else f"{self.events:,} events"
        if self.events:
            said += f", sequences {self.first_seq} to {self.last_seq}"
        counts = ((self.malformed, "malformed (dead letters)"), (self.signed, "signed"))
        left = [f"{count:,} {what}" for count, what in counts if count]
        return f"{said}; left out: {', '.join(left) or 'nothing'}"


async def export_events(
    bus: Bus, decoder: Decoder, wanted: Wanted, put: Put, progress: Watcher | None = None
) -> Exported:
    """Put every wanted event that the log holds now, in order; what comes in meanwhile is not looked at.

    A message without a valid envelope is no event: it has no type and no ids, and is counted instead.
    Raises ExportFailed for sequences beyond the log, and what `put` and the bus raise.
    """
    first, upto = wanted.bounds((await bus.info()).last_seq)
    done = Exported()
    async for batch in bus.read(first - 1, upto=upto, subjects=wanted.subjects()):
        for recorded in batch:
            if not wanted.takes(recorded):
                continue
            entry = decoder.decode(recorded)
            if isinstance(entry, Malformed):
                done.malformed += 1
            elif wanted.unsigned and entry.event.SIGNED:
                done.signed += 1
            else:
                put(entry)
                done.events += 1
                done.first_seq = done.first_seq or entry.seq
                done.last_seq = entry.seq
        if progress is not None:
            progress(batch[-1].seq - first + 1, upto - first + 1, done.events)
    if progress is not None:
        progress(upto - first + 1, upto - first + 1, done.events)
    return done
