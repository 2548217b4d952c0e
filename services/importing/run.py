"""An import from start to end, as the command line calls it, and a bar to watch it by."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from contracts.envelope import Message
from services.importing.arrival import Arrivals, Bus
from services.importing.jsonl import Refusal, read_jsonl
from services.importing.obd import logs, read_obd, survey

Watcher = Callable[[int, int | None], None]
"""Called with how many messages are dealt with so far, and how many there are (None: not known)."""


@dataclass(slots=True)
class ImportReport:
    """What an import read and what of it was new; `refused` lines were not imported."""

    decisions: int = 0
    feedback: int = 0
    other: int = 0
    added: int = 0
    duplicates: int = 0
    refused: tuple[Refusal, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything that was read stands in the stream now."""
        return not self.refused

    def count(self, message: Message) -> None:
        """Count one message by what its subject says it is."""
        area = message.subject.split(".", 2)[1]
        if area == "scored":
            self.decisions += 1
        elif area == "feedback":
            self.feedback += 1
        else:
            self.other += 1


async def import_obd(bus: Bus, path: Path, *, progress: Watcher | None = None) -> ImportReport:
    """Publish the Open Bandit Dataset at `path` (a folder or one log); what stands in the stream is left out.

    Raises ImportFailed at the first row that makes no sense: what comes before it is in by then, and importing again
    once the file is mended adds the rest.
    """
    found = logs(path)
    surveys = [survey(log) for log in found]
    arrivals = await Arrivals.on(bus, (subject for one in surveys for subject in one.subjects))
    report = ImportReport()
    messages = (message for log in found for message in read_obd(log))
    await _publish(arrivals, messages, report, progress, sum(one.messages for one in surveys))
    return report


async def import_jsonl(
    bus: Bus,
    path: Path,
    *,
    now_us: int,
    progress: Watcher | None = None,
    refused: Callable[[Refusal], None] = lambda _: None,
) -> ImportReport:
    """Publish the events of a .jsonl[.gz]; each line that is none is handed to `refused` and the others go on.

    `now_us` is the present, microseconds since 1970. Raises ImportFailed when the file cannot be read.
    """
    arrivals = await Arrivals.on(bus)
    report = ImportReport()
    refusals: list[Refusal] = []

    def messages() -> Iterator[Message]:
        for item in read_jsonl(path, now_us=now_us):
            if isinstance(item, Message):
                yield item
            else:
                refusals.append(item)
                refused(item)

    await _publish(arrivals, messages(), report, progress, None)
    report.refused = tuple(refusals)
    return report


async def _publish(
    arrivals: Arrivals, messages: Iterator[Message], report: ImportReport, progress: Watcher | None, total: int | None
) -> None:
    def counted() -> Iterator[Message]:
        for message in messages:
            report.count(message)
            yield message

    def moved(_: int) -> None:
        if progress is not None:
            progress(arrivals.added + arrivals.duplicates, total)

    await arrivals.publish(counted(), moved)
    report.added, report.duplicates = arrivals.added, arrivals.duplicates


@contextmanager
def bar(title: str, console: Console) -> Iterator[Watcher]:
    """A progress bar on the console for as long as the block lasts."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as shown:
        task = shown.add_task(title, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
