"""Versions of the projections on disk."""

from asyncio import to_thread

from nicegui import ui

from console.components.notice import Tone
from console.components.panel import panel
from console.components.table import Column, Table
from console.frame import Visit
from console.moments import count, moment, size
from services.api.admin.versions import versions

WORDS = {"live": "live", "previous": "one step back", "as_it_was": "as it was", "kept": "not switched to"}
TONES: dict[str, Tone] = {"live": "good", "one step back": "accent", "as it was": "", "not switched to": "warn"}
COLUMNS = (
    Column("projection", "Projection"),
    Column("version", "Version", "number"),
    Column("standing", "Standing", "chip", tone=lambda row: TONES[row["standing"]]),
    Column("upto_seq", "Up to event", "number", show=count),
    Column("bytes", "Size", "number", show=size),
    Column("changed_at", "Changed", "time", show=moment),
    Column("file", "File under HOME", "id"),
)


class VersionList:
    """The live versions, those to step back to, and those as it was: files to open with SQLite or DuckDB."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        note = "A version as it was is a file to open with SQLite or DuckDB; a later switch deletes it."
        with panel("Versions", note=note, flush=True):
            self._table = Table(COLUMNS, (), label="Versions", page_size=10)
        ui.timer(0, self.show, once=True)

    async def show(self) -> None:
        """What is on disk now."""
        found = await to_thread(versions, self._visit.parts)
        self._table.show([one.model_dump() | {"standing": WORDS[one.standing]} for one in found])
