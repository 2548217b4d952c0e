"""Versions of the projections on disk: the live one, the one a step back leads to, and those kept as it was."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from contracts.events.admin import Projection
from contracts.times import SECOND_US, format_time
from projections.replay import EVERY_PROJECTION
from projections.sinks.versions import Versions
from services.api.admin.replays import replays
from services.api.admin.router import admin_router
from services.api.parts import Parts, PartsOf

router = admin_router("/versions")

MOST_REPLAYS = 1000
Standing = Literal["live", "previous", "as_it_was", "kept"]


class Version(BaseModel):
    """A version's standing; `upto_seq` where one "as it was" ends, `file` under HOME, `bytes` of all its files."""

    projection: Projection
    version: int
    standing: Standing
    upto_seq: int | None
    file: str
    bytes: int
    changed_at: str | None


@router.get("")
def get_versions(parts: PartsOf) -> list[Version]:
    """Live versions, and all others that have files."""
    return versions(parts)


def versions(parts: Parts) -> list[Version]:
    """Live versions and all that have files, by projection, the latest first; "kept" ones were not switched to."""
    known, ends = Versions(parts.settings.home), _ends(parts)
    found: list[Version] = []
    for projection in EVERY_PROJECTION:
        pointer = known.pointer(projection)
        for number in sorted({pointer.version, *known.numbers(projection)}, reverse=True):
            upto = ends.get((projection, number))
            standing: Standing = "kept" if upto is None else "as_it_was"
            if number in (pointer.version, pointer.previous):
                standing, upto = "live" if number == pointer.version else "previous", None
            file = known.file(projection, number)
            size, changed = _measured(known.folder.glob(f"{projection}-v{number}.*"))
            found.append(
                Version(
                    projection=projection, version=number, standing=standing, upto_seq=upto,
                    file=str(file.relative_to(parts.settings.home)), bytes=size, changed_at=changed,
                )
            )  # fmt: skip
    return found


def _ends(parts: Parts) -> dict[tuple[str, int], int]:
    """Where versions that were folded up to a sequence or time end."""
    ends: dict[tuple[str, int], int] = {}
    for row in replays(parts, MOST_REPLAYS):
        if row["user_id"] is None and (row["upto_seq"] or row["upto_time"]):
            for result in row["results"] or ():
                ends.setdefault((result["projection"], result["version"]), result["upto_seq"])
    return ends


def _measured(paths: Iterable[Path]) -> tuple[int, str | None]:
    """The bytes of some files and when one of them changed last; one that is deleted meanwhile counts as none."""
    size, changed = 0, 0.0
    for path in paths:
        with suppress(FileNotFoundError):
            stat = path.stat()
            size, changed = size + stat.st_size, max(changed, stat.st_mtime)
    return size, format_time(round(changed * SECOND_US)) if changed else None
