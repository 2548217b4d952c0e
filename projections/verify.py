"""`tipstream verify`: the log folded afresh to exactly each projection's checkpoint, and every score recomputed.

Proven means: the log is whole, every live digest equals the fresh one, and no decision is mismatched.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from contracts.envelope import Entry, Malformed
from projections.audit import Mismatch, ScoreAudit
from projections.continuity import Continuity, continuity
from projections.folds.projection import State, fold
from projections.folds.tables import BY_NAME
from projections.replay import EVERY_PROJECTION, Word, tables_in, word_of
from projections.sinks.digests import digests_of
from projections.sinks.memory import MemorySink
from services.bootstrap import Bus, open_decoder

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Check:
    """A projection compared with the fresh fold; `different` lists tables, `problem` says why it has no word."""

    projection: str
    seq: int = 0
    tables: int = 0
    different: tuple[str, ...] = ()
    problem: str = ""

    @property
    def equal(self) -> bool:
        return not self.different and not self.problem


@dataclass(frozen=True, slots=True)
class Report:
    """What was proven and what was not."""

    events: int
    continuity: Continuity
    checks: tuple[Check, ...]
    scores: dict[str, int]
    mismatches: tuple[Mismatch, ...] = field(default=())

    @property
    def proven(self) -> bool:
        return self.continuity.full and all(check.equal for check in self.checks) and not self.scores["mismatched"]

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {**asdict(self), "proven": self.proven, "full": self.continuity.full}

    def lines(self) -> list[str]:
        """The report for people, the verdict last."""
        said = [
            f"log        1-{self.continuity.last_seq}, {self.events:,} events: {self.continuity.complaint() or 'whole'}"
        ]
        for check in self.checks:
            where = f"{check.projection:<10} at {check.seq}"
            if check.problem:
                said.append(f"{check.projection:<10} not checked: {check.problem}")
            elif check.different:
                said.append(f"{where}: DIFFERENT in {', '.join(check.different)}")
            else:
                said.append(f"{where}: {check.tables} tables, every digest equal")
        said.append("scores     " + ", ".join(f"{count:,} {verdict}" for verdict, count in self.scores.items()))
        for mismatch in self.mismatches:
            said.append(f"  at {mismatch.seq}, {mismatch.decision_id}: {', '.join(mismatch.differences)}")
        if self.continuity.full and any(check.different for check in self.checks):
            said.append(
                "mend with: stop Tipstream, delete read_models under its HOME and start it: all is folded again"
            )
        return [*said, "proven" if self.proven else "NOT PROVEN"]


async def verify_system(bus: Bus, *, progress: Progress) -> Report:
    """Ask every projection for its word, then fold the log to the same checkpoints and compare."""
    words = [await word_of(bus, projection) for projection in EVERY_PROJECTION]
    last = max((word.seq for word in words), default=0) or (await bus.info()).last_seq
    whole = await continuity(bus, last)
    fresh = FreshFold(words)
    if whole.begins_with_start:
        decoder = await open_decoder(bus)
        async for batch in bus.read(0, upto=last):
            for recorded in batch:
                fresh.take(decoder.decode(recorded))
            progress(fresh.state.seq, last)
        fresh.compare_upto(last + 1)
    return Report(
        events=fresh.events,
        continuity=whole,
        checks=tuple(fresh.checks.get(word.projection) or _unchecked(word) for word in words),
        scores={name: fresh.audit.verdicts[name] for name in ("identical", "close", "mismatched", "external")},
        mismatches=tuple(fresh.audit.mismatches),
    )


def _unchecked(word: Word) -> Check:
    return Check(word.projection, problem=word.problem or "nothing can be decoded without the log's first event")


class FreshFold:
    """A fold from the first event that stops at each live checkpoint to compare; `events` were folded."""

    def __init__(self, words: Iterable[Word]) -> None:
        self.state = State()
        self.audit = ScoreAudit(self.state)
        self.checks: dict[str, Check] = {}
        self.events = 0
        self._rows = MemorySink()
        self._due = sorted((word for word in words if not word.problem), key=lambda word: word.seq, reverse=True)

    def take(self, item: Entry | Malformed) -> None:
        """Fold one message, after comparing what stands before it."""
        self.compare_upto(item.seq)
        step, changes = fold(self.state, item)
        self.audit.observe(step)
        self._rows.take(changes)
        self.events += 1

    def compare_upto(self, seq: int) -> None:
        """Compare the projections whose checkpoint lies before `seq`."""
        digests: dict[str, str] = {}
        while self._due and self._due[-1].seq < seq:
            word = self._due.pop()
            chosen = tables_in(word.projection)
            # The stores have most of their tables in common.
            digests |= digests_of([BY_NAME[name] for name in chosen if name not in digests], None, self._rows.rows)
            fresh = {name: digests[name] for name in chosen}
            different = tuple(name for name, digest in fresh.items() if word.tables.get(name) != digest)
            self.checks[word.projection] = Check(word.projection, word.seq, len(fresh), different)
