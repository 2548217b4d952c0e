"""The live list of events: rows are pushed to the browser, which keeps the newest, and waits for its answer."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nicegui.element import Element
from nicegui.events import GenericEventArguments

from console.ids import shown_id
from console.moments import amount, clock
from services.api.ring import RING, Batch
from services.api.sightings import EventRow

ANSWER_S = 10.0

Cells = tuple[int, str, str, str, str, str, str]


class Tail(Element, component="tail.js"):
    """A list of events, the newest on top; what is placed in it is shown while it has none.

    `on_pick` gets the sequence of a row that was clicked or had Enter pressed; `on_leave`, `on_pause` and `on_search`
    are called for Escape, `p` and `/`.
    """

    def __init__(
        self,
        *,
        on_pick: Callable[[int], Any],
        on_leave: Callable[[], Any],
        on_pause: Callable[[], Any],
        on_search: Callable[[], Any],
    ) -> None:
        super().__init__()
        self._props["ring"] = RING

        def pick(event: GenericEventArguments) -> Any:
            return on_pick(int(event.args))

        self.on("pick", pick)
        self.on("leave", lambda _: on_leave(), [])
        self.on("pause", lambda _: on_pause(), [])
        self.on("search", lambda _: on_search(), [])

    async def push(self, batch: Batch, *, renew: bool = False) -> None:
        """Show what is new, or with `renew` only that; returns when the browser has it, ten seconds later if not."""
        rows = [_cells(sighting.row) for sighting in batch.sightings[-RING:]]
        if batch.skipped and batch.sightings:
            rows.insert(0, _gap(batch.sightings[0].recorded.seq, batch.skipped))
        # What it was late to answer is with it all the same, or will be once it is connected again.
        with suppress(TimeoutError):
            await self.run_method("push", rows, renew or batch.renewed, timeout=ANSWER_S)

    def pause(self, on: bool) -> None:
        """Hold the rows as they are; what comes is counted meanwhile."""
        self.run_method("pause", on)

    def choose(self, seq: int | None) -> None:
        """Mark the event that is shown beside the list."""
        self._props["chosen"] = seq
        self.update()


def _cells(row: EventRow) -> Cells:
    says = f"{row.malformed}: {row.summary}" if row.malformed else row.summary
    area = "malformed" if row.malformed else row.subject.split(".")[1]
    return (row.seq, clock(row.recorded_at), row.kind, shown_id(row.user_id or ""), says, f"area-{area}", row.subject)


def _gap(before: int, skipped: int) -> Cells:
    """Where events are missing because they came faster than the browser took them; no event has a negative number."""
    return (
        -before,
        "",
        "",
        "",
        f"{amount(skipped, 'events')} passed unseen: they came faster than they could be shown",
        "gap",
        "",
    )
