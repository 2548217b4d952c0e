"""`tipstream import PATH --format obd`: the Open Bandit Dataset (arXiv:2008.07146) as external decisions."""

from pathlib import Path

from services.importing.arrival import Arrivals, Bus, Watcher
from services.importing.bandit_log import logs, read_obd, survey
from services.importing.report import ImportReport, carry
from services.publishing import now_us

BUILT_IN = Path(__file__).with_name("data") / "obd"
"""The sample that is part of the project, with its citation beside it."""


async def import_obd(bus: Bus, path: Path, *, progress: Watcher | None = None) -> ImportReport:
    """Publish the dataset at `path` (a folder or one log); what stands in the stream already is left out.

    Raises ImportFailed at the first row that makes no sense: the batches before it are in by then, and importing again
    once the file is mended adds the rest.
    """
    found = logs(path)
    surveys = [survey(log) for log in found]
    arrivals = await Arrivals.on(bus, surveys)
    now = now_us()
    messages = (message for log in found for message in read_obd(log, now_us=now))
    return await carry(arrivals, messages, sum(one.messages for one in surveys), progress)
