"""A version folded from the first event beside the live one, and its owner asked to switch to it."""

import asyncio
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from projections.control import ask
from projections.owner import SWITCH_S
from projections.pieces import Asked
from projections.sinks.versions import OpenVersion, Versions, proof_of
from services.bootstrap import Bus

TELL_S = 0.25
SWITCH_SLACK_S = 30.0


@dataclass(slots=True)
class Progress:
    """How far the work at hand is; told over core NATS a few times a second."""

    projection: str = ""
    phase: str = "starting"
    events: int = 0
    total: int = 0
    began: float = field(default_factory=monotonic)

    def begin(self, projection: str, phase: str, total: int = 0) -> None:
        self.projection, self.phase, self.events, self.total = projection, phase, 0, total
        self.began = monotonic()

    def report(self) -> dict[str, Any]:
        """The figures: events, rate and the seconds that remain."""
        rate = self.events / max(monotonic() - self.began, 1e-3)
        left = (self.total - self.events) / rate if rate and self.total else None
        return {
            "projection": self.projection,
            "phase": self.phase,
            "events": self.events,
            "total": self.total,
            "events_per_s": rate,
            "remaining_s": left,
        }


async def fold_beside(
    bus: Bus, versions: Versions, projection: str, upto: int, progress: Progress, *, prove: bool = True
) -> tuple[int, dict[str, str]]:
    """Fold a new version up to and with `upto`; its number, and its tables' digests when they are to be proven.

    A version that fails is deleted.
    """
    progress.begin(projection, "folding", upto)
    number = versions.next_number(projection)
    try:
        opened = versions.open(projection, number)
        try:
            tables = await _fold_into(opened, bus, upto, progress, prove=prove)
        finally:
            opened.close()
    except BaseException:
        versions.drop(projection, number)
        raise
    return number, tables


async def _fold_into(opened: OpenVersion, bus: Bus, upto: int, progress: Progress, *, prove: bool) -> dict[str, str]:
    projector = opened.projector(bus)
    folding = asyncio.create_task(projector.run(upto=upto), name=f"fold {opened.projection}")
    try:
        while not folding.done():
            progress.events = projector.state.seq
            await asyncio.wait({folding}, timeout=TELL_S)
    finally:
        # The files are closed next: nothing may write to them any more.
        folding.cancel()
        await asyncio.wait({folding})
    folding.result()
    if not prove:
        return {}
    progress.begin(opened.projection, "taking its digest", upto)
    return (await asyncio.to_thread(proof_of, opened, projector)).tables


async def switch(bus: Asked, projection: str, version: int, *, alone: bool = False) -> int:
    """Have the owner switch, which may take it long; where the version stands then. `alone`: no other is kept."""
    answer = await ask(bus, projection, "switch", version=version, alone=alone, within=SWITCH_S + SWITCH_SLACK_S)
    return int(answer["seq"])
