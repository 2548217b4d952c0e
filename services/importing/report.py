"""What an import did, counted while it goes by."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from contracts.envelope import Message
from services.importing.arrival import Arrivals, Watcher
from services.importing.event_lines import Refusal


@dataclass(slots=True)
class ImportReport:
    """What an import read and what of it was new to the stream; the lines of `refusals` were not imported.

    `meanwhile` are the duplicates that came in during the import.
    """

    decisions: int = 0
    feedback: int = 0
    other: int = 0
    added: int = 0
    duplicates: int = 0
    meanwhile: int = 0
    refusals: list[Refusal] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """How many lines were not imported."""
        return len(self.refusals)

    def summary(self) -> str:
        """One line of counts, then one for each line that was refused."""
        counts = f"{self.decisions:,} decisions, {self.feedback:,} reactions, {self.other:,} other events"
        there = f"{self.duplicates:,} there already"
        if self.meanwhile:
            there += f" ({self.meanwhile:,} of them came in meanwhile: from another import, or sent twice by this one)"
        lines = [f"{counts}: {self.added:,} added, {there}, {self.refused:,} refused"]
        lines += [f"line {refusal.line}: {refusal.reason}" for refusal in self.refusals]
        return "\n".join(lines)


async def carry(
    arrivals: Arrivals, messages: Iterator[Message | Refusal], total: int, progress: Watcher | None
) -> ImportReport:
    """Publish what is new of `messages` and report on all of them."""
    report = ImportReport()

    def counted() -> Iterator[Message]:
        for item in messages:
            if isinstance(item, Refusal):
                report.refusals.append(item)
                continue
            area = item.subject.split(".", 2)[1]
            report.decisions += area == "scored"
            report.feedback += area == "feedback"
            report.other += area not in ("scored", "feedback")
            yield item

    def moved() -> None:
        if progress is not None:
            progress(arrivals.added + arrivals.duplicates + report.refused, total)

    await arrivals.publish(counted(), moved)
    report.added, report.duplicates, report.meanwhile = arrivals.added, arrivals.duplicates, arrivals.meanwhile
    return report
