"""The replay that runs, followed live; those asked for; and of one of them every digest, live and folded again."""

from asyncio import to_thread
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from nicegui import ui

from console.addresses import Address, user_url
from console.components.notice import Tone, empty, heading, notice
from console.components.panel import panel
from console.components.table import Column, Row, Table
from console.frame import Visit
from console.ids import shown_id
from console.moments import amount, count, duration, moment
from contracts.times import SECOND_US
from services.api.admin.replays import ReplayAsked, replay, replays
from services.api.replay_progress import Progress
from services.problems import Problem

PERIOD_S = 0.5
SHOWN = 50
TONES: dict[str, Tone] = {"done": "good", "different": "bad", "failed": "bad", "running": "accent", "waiting": "warn"}
REPLAYS = (
    Column("requested_at", "Asked for", "time", show=moment),
    Column("requested_by", "By"),
    Column("scope", "What", link=lambda row: user_url(row["user_id"]) if row["user_id"] else None),
    Column("state", "Outcome", "chip", tone=lambda row: TONES[row["state"]]),
    Column("full", "Full"),
    Column("events", "Events", "number", show=count),
    Column("took", "Took", "number", show=duration),
)
RESULTS = (
    Column("projection", "Projection"),
    Column("version", "Version", "number"),
    Column("upto_seq", "Up to event", "number", show=count),
    Column("verdict", "Digests", "chip", tone=lambda row: _TONE_OF[row["verdict"]]),
    Column("live_digest", "Live", "id", show=lambda digest: digest[:16]),
    Column("rebuilt_digest", "Folded again", "id", show=lambda digest: digest[:16]),
    Column("switched", "Switched"),
    Column("note", "Note", show=lambda note: note or "–"),
)
TABLES = (
    Column("projection", "Projection"),
    Column("table", "Table", "id"),
    Column("verdict", "Digests", "chip", tone=lambda row: _TONE_OF[row["verdict"]]),
    Column("live", "Live", "id"),
    Column("rebuilt", "Folded again", "id"),
)
_VERDICTS = {True: "equal", False: "different", None: "not compared"}
_TONE_OF: dict[str, Tone] = {"equal": "good", "different": "bad", "not compared": ""}


class Replays:
    """The list; `follow` opens a replay that was just asked for."""

    def __init__(self, visit: Visit, address: Address) -> None:
        self._visit, self._address = visit, address
        self._ended: Callable[[], Awaitable[None]] | None = None
        self._rows: list[dict[str, Any]] = []
        self._known: set[str] = set()
        self._opened = self._asked = ""
        self._running = _Running()
        with panel("Replays", note="Choose one to see what it compared.", flush=True):
            self._table = Table(REPLAYS, (), label="Replays", on_choose=self._choose, page_size=10)
            self._empty = ui.element("div").classes("w-full")
            with self._empty:
                empty("No replay yet", "A dry run above says what one would touch.", icon="replay")
            self._empty.visible = False
        self._detail = ui.element("div").classes("w-full")
        self._ticks = 0
        self._timer = ui.timer(PERIOD_S, self._look)

    def on_end(self, ended: Callable[[], Awaitable[None]]) -> None:
        """Call this when a replay has ended."""
        self._ended = ended

    async def follow(self, asked: ReplayAsked) -> None:
        """Open a replay that stands in the stream."""
        self._asked = asked.replay_id
        self._address.set(replay=asked.replay_id)
        ui.notify(f"Asked for: event {asked.seq}")
        await self._read()

    async def _look(self) -> None:
        parts = self._visit.parts
        running = parts.replaying.running
        progress = parts.replaying.of(running) if running else None
        self._running.show(progress)
        # Only while one is under way is the list read at each look.
        under_way = progress is not None or any(row["outcome"] is None for row in self._rows)
        if self._ticks % (2 if under_way else 10) == 0:
            try:
                await self._visit.check("view")
            except Problem:
                self._timer.deactivate()
                raise
            await self._read()
        self._ticks += 1

    async def _read(self) -> None:
        self._rows = await to_thread(replays, self._visit.parts, SHOWN)
        opened = self._address.values["replay"]
        self._table.show([_row(row) for row in self._rows], chosen=lambda row: row["replay_id"] == opened)
        self._table.element.visible, self._empty.visible = bool(self._rows), not self._rows
        ended = {row["replay_id"] for row in self._rows if row["outcome"]}
        if ended - self._known:
            fresh, self._known = bool(self._known or self._ticks), ended
            if fresh and self._ended is not None:
                await self._ended()
        row = next((row for row in self._rows if row["replay_id"] == opened), None)
        if row is None and opened:
            await self._seek(opened)
        else:
            self._show(row)

    async def _seek(self, replay_id: str) -> None:
        """One that the list does not hold: an old one, or none at all."""
        try:
            self._show(await to_thread(replay, self._visit.parts, replay_id))
        except Problem as problem:
            # What was asked for just now is folded in a moment.
            if replay_id != self._asked and self._opened != replay_id:
                self._opened = replay_id
                self._detail.clear()
                with self._detail, panel("Replay"):
                    empty("No replay of that id", problem.detail, icon="replay")

    def _choose(self, row: Row) -> None:
        self._address.set(replay=row["replay_id"])
        self._show(next(found for found in self._rows if found["replay_id"] == row["replay_id"]))
        self._table.show(
            [_row(found) for found in self._rows], chosen=lambda found: found["replay_id"] == row["replay_id"]
        )

    def _show(self, row: dict[str, Any] | None) -> None:
        """One replay opened; drawn anew only when there is more to say of it."""
        shown = "" if row is None else f"{row['replay_id']} {row['outcome']}"
        if shown == self._opened:
            return
        self._opened = shown
        self._detail.clear()
        if row is not None:
            with self._detail:
                _detail(row)


class _Running:
    """How far the replay at hand is."""

    def __init__(self) -> None:
        with panel("Running now") as found:
            self._words = ui.label().props("role=status aria-live=off")
            self._bar = ui.linear_progress(0, show_value=False, size="8px").props("rounded")
            self._bar.props["aria-label"] = "Progress of the replay"
            self._results = ui.element("div").classes("line wrap")
        self._panel, self._said = found.body, -1
        self._panel.visible = False

    def show(self, progress: Progress | None) -> None:
        """The figures, or nothing while none runs."""
        self._panel.visible = progress is not None
        if progress is None:
            return
        self._words.text = words_of(progress)
        self._bar.value = min(progress.events / progress.total, 1.0) if progress.total else 0.0
        if len(progress.results) != self._said:
            self._said = len(progress.results)
            self._results.clear()
            with self._results:
                for result in progress.results:
                    verdict = _VERDICTS[result.get("equal")]
                    ui.label(f"{result['projection']} {verdict}").classes(f"chip tone-{_TONE_OF[verdict]}")


def words_of(progress: Progress) -> str:
    """How far a replay is, in one line."""
    said = [f"{progress.projection} ({progress.step} of {progress.steps}): {progress.phase}"]
    if progress.total:
        said.append(f"{count(progress.events)} of {amount(progress.total, 'events')}")
        said.append(f"{progress.events_per_s:,.0f} events/s")
    if progress.remaining_s is not None:
        said.append(f"{duration(progress.remaining_s)} left")
    return " · ".join(said)


def _row(row: dict[str, Any]) -> Row:
    state = row["outcome"] or ("running" if row["progress"] else "waiting")
    took = None if row["duration_us"] is None else row["duration_us"] / SECOND_US
    return row | {"state": state, "took": took, "scope": scope_of(row)}


def scope_of(row: dict[str, Any]) -> str:
    """What a replay is about, in words."""
    said = [", ".join(row["projections"])]
    if row["mode"] == "back":
        said.insert(0, "switch back")
    if row["user_id"] is not None:
        said.append(f"only {shown_id(row['user_id'])}")
    if row["upto_seq"] is not None:
        said.append(f"up to {count(row['upto_seq'])}")
    if row["upto_time"] is not None:
        said.append(f"up to {moment(row['upto_time'])}")
    return " · ".join(said)


def _detail(row: dict[str, Any]) -> None:
    results: Sequence[dict[str, Any]] = row["results"] or ()
    with panel(f"Replay {row['replay_id']}", note=scope_of(row)):
        if row["outcome"] is None:
            text = "The replay worker carries out one at a time; `tipstream up` starts it."
            notice(text, title="Not ended yet")
            return
        if row["detail"]:
            notice(row["detail"], tone="good" if row["outcome"] == "done" and row["full"] else "bad")
        if not results:
            return
        Table(RESULTS, [_compared(one) for one in results], label="What became of each projection", page_size=0)
        tables = [
            {
                "projection": one["projection"], "table": name, "live": digests["live"], "rebuilt": digests["rebuilt"],
                "verdict": _VERDICTS[digests["live"] and digests["live"] == digests["rebuilt"]],
            }
            for one in results
            for name, digests in sorted(one["tables"].items())
        ]  # fmt: skip
        if tables:
            heading(3, "Digests by table")
            Table(TABLES, tables, label="Digests by table", page_size=0, height="420px")


def _compared(result: dict[str, Any]) -> Row:
    return result | {"verdict": _VERDICTS[result["equal"]]}
