"""`tipstream import PATH --format jsonl`: unsigned events, one CloudEvents object a line."""

from pathlib import Path

from services.importing.arrival import Arrivals, Bus, Watcher
from services.importing.event_lines import read_events, survey
from services.importing.report import ImportReport, carry
from services.publishing import now_us


async def import_jsonl(bus: Bus, path: Path, *, progress: Watcher | None = None) -> ImportReport:
    """Publish the events of a .jsonl[.gz]; lines that are none are reported, events that the stream has are left out.

    Raises ImportFailed when the file cannot be read.
    """
    found = survey(path)
    arrivals = await Arrivals.on(bus, [found])
    return await carry(arrivals, read_events(path, now_us=now_us()), found.messages, progress)
