"""How every part is doing, asked all at once and within a second, whatever is down."""

import asyncio
import contextlib
import platform
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, Literal

import httpx

from contracts.errors import TipstreamError
from contracts.times import AHEAD_LIMIT_US, HOUR_US, SECOND_US
from ml.registry.server import MOUNT
from services.api.control import ask
from services.api.parts import Parts
from services.bus.errors import BusUnavailable
from services.publishing import now_us
from services.releases import release

State = Literal["up", "starting", "behind", "down"]
Answer = dict[str, Any]

PROJECTIONS = {"projector": "sqlite", "analytics": "analytics", "query": "query"}
"""The processes that own a projection beside the scorer, with the projection's name."""
SHADOW = "shadow"
"""The process that scores along; it has no seq of its own while nothing is in shadow."""
REPLAYER = "replayer"
"""The process that replays and erases; it reads no further than what it is asked for."""
OPTIONAL = frozenset({"outbox", "mlflow", SHADOW, REPLAYER})
ANSWER_S = 0.8
START_S = 60.0
# MLflow imports for ten seconds of processor time, behind all else.
SLOW_START_S = {"mlflow": 180.0}
# After a quiet hour one event waits for a moment, and the last one folded is an hour old: that is not behind.
BEHIND_S, BEHIND_EVENTS = 30.0, 100
KEEP_S = 0.25
RELEASES = ("tipstream", "duckdb", "nicegui", "mlflow", "nats-py")
MENDS = {
    "stream": "see that the NATS server runs and TIPSTREAM_NATS_URL or TIPSTREAM_NATS_PORT names it",
    "scorer": "start `tipstream scorer`; its log says why it ended",
    "projector": "start `tipstream projector`; its log says why it ended",
    "analytics": "start `tipstream analytics`; its log says why it ended",
    "query": "start `tipstream query`; its log says why it ended",
    "replayer": "start `tipstream replayer`, or end one that hangs; replays and erasures wait in the log until then",
    "shadow": "start `tipstream shadow`; its log says why it ended",
    "mlflow": "start `tipstream mlflow`, which takes up to a minute; its log says why it ended",
    "outbox": "nothing: it drains by itself once the stream is back",
}

MAKE_ROOM = (
    "make room where NATS keeps its store: `tipstream up` then starts its server again within seconds; "
    "start a server of your own again yourself, or give it a larger max_file_store"
)
ROOM_TO_KEEP = (
    "make room where HOME/outbox lies, or let the scorer write there; while the stream takes no decision either, "
    "recommendations get 503"
)
REFUSALS = (
    ("account", "raise the JetStream limits of the account that TIPSTREAM_NATS_URL names; decisions wait meanwhile"),
    ("sealed", "nothing is ever stored in a sealed stream: back it up, delete it, and restore it as one that is not"),
    ("message size", "take the limit off: `nats stream edit TIPS --max-msg-size=-1`"),
    ("maximum", "take the limit off: `nats stream edit TIPS --max-msgs=-1 --max-bytes=-1`"),
)
"""What the server says in words when it refuses all messages, and what mends it; else there is no room."""

SET_CLOCKS = (
    "set the clocks of both machines by one time server; decisions and reactions sent meanwhile are dead letters"
)
RESTORE = "what was deleted is in a backup only: `tipstream restore` puts it into an empty HOME or another server"


@dataclass(frozen=True, slots=True)
class Component:
    """One part: its state, how far behind the stream's end it is, and details that need a key."""

    state: State
    seq: int | None = None
    lag_events: int | None = None
    lag_seconds: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Condition:
    """The whole: `ok` when every part is up; `serving` when every required part is."""

    status: Literal["ok", "starting", "degraded"]
    serving: bool
    components: Mapping[str, Component]


class Watch:
    """Looks at the parts; a look is shared by all who ask within a quarter of a second."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._began = monotonic()
        self._seen_up: set[str] = set()
        self._taken = float("-inf")
        self._look: asyncio.Task[Condition] | None = None
        self._latest: Condition | None = None
        self._silent: dict[str, int] = {}

    @property
    def latest(self) -> Condition | None:
        """The latest look, without taking one; `History` sees to it that there is one every two seconds."""
        return self._latest

    def silent_since(self, name: str) -> int | None:
        """When a part was first found not to answer, by the latest look; None while it does, whatever it says."""
        return self._silent.get(name)

    async def condition(self) -> Condition:
        """The latest look, a quarter of a second old at most."""
        if self._look is None or (self._look.done() and monotonic() - self._taken > KEEP_S):
            self._look = asyncio.create_task(self._inspect(), name="look at every part")
        return await asyncio.shield(self._look)

    async def _inspect(self) -> Condition:
        looks: dict[str, Callable[[], Awaitable[Component]]] = {
            "stream": self._stream,
            "scorer": self._scorer,
            **{name: self._projection(projection) for name, projection in PROJECTIONS.items()},
            **{name: self._worker(name) for name in (REPLAYER, SHADOW)},
        }
        if self._parts.settings.mlflow == "on":
            looks["mlflow"] = self._mlflow
        found = dict(zip(looks, await asyncio.gather(*(self._one(*look) for look in looks.items())), strict=True))
        found["stream"] = self._storing(found["stream"], found["scorer"])
        components = {"api": self._api(), **found, "outbox": self._outbox(found["scorer"])}
        self._seen_up |= {name for name, part in components.items() if part.state == "up"}
        silent = {name for name, part in components.items() if "remedy" in part.details}
        self._silent = {name: self._silent.get(name, now_us()) for name in silent}
        self._taken = monotonic()
        self._latest = Condition(_status(components), _serving(components), components)
        return self._latest

    async def _one(self, name: str, look: Callable[[], Awaitable[Component]]) -> Component:
        try:
            async with asyncio.timeout(ANSWER_S):
                return await look()
        except TimeoutError:
            return self._absent(name, f"no answer within {ANSWER_S:g} s")
        except (TipstreamError, httpx.HTTPError, ValueError, KeyError) as problem:
            return self._absent(name, f"{type(problem).__name__}: {problem}")

    def _absent(self, name: str, error: str) -> Component:
        """Down, or starting while the API itself is young and has not seen it yet."""
        young = monotonic() - self._began < SLOW_START_S.get(name, START_S) and name not in self._seen_up
        return Component("starting" if young else "down", details={"last_error": error, "remedy": MENDS[name]})

    def _api(self) -> Component:
        home = self._parts.settings.home
        disk = shutil.disk_usage(home) if home.exists() else None
        versions = {"python": platform.python_version(), **{name: release(name) for name in RELEASES}}
        details: Answer = {"versions": versions, "uptime_s": round(monotonic() - self._began, 1)}
        if disk is not None:
            details["disk"] = {"free_bytes": disk.free, "total_bytes": disk.total}
        return Component("up", details=details)

    async def _stream(self) -> Component:
        link = self._parts.link
        if not link.connected:
            raise BusUnavailable(link.last_error or "not connected")
        info = await link.bus.info()
        ahead_us = now_us() - info.told_us if info.told_us is not None else 0
        details = {
            "clock_ahead_s": round(ahead_us / SECOND_US, 3),
            "messages": info.messages,
            "disk_bytes": info.bytes,
            "first_seq": info.first_seq,
            "created": info.created,
            "events_per_s": round(self._parts.ring.events_per_s, 1),
            "server": link.bus.server,
            "last_error": link.last_error,
        }
        found = Component("up", info.last_seq, 0, 0.0, details)
        if info.last_seq and info.first_seq != 1:
            wrong = f"events were deleted from its beginning: it begins at {info.first_seq:,}"
            return _down(found, wrong, RESTORE)
        if info.mismatch is not None:
            wrong, _, remedy = info.mismatch.partition("; ")
            return _down(found, wrong, remedy)
        if ahead_us > AHEAD_LIMIT_US:
            wrong = f"this machine's clock is {ahead_us / HOUR_US:.1f} h ahead of the NATS server's"
            return _down(found, f"{wrong}: what it stamps is a dead letter (time_out_of_range)", SET_CLOCKS)
        return found

    def _storing(self, stream: Component, scorer: Component) -> Component:
        """The stream is down too when it answers and stores nothing, as the API's publishing or the scorer's met it."""
        link = self._parts.link
        refused = (link.bus.refusing if link.connected else None) or scorer.details.get("stream_refuses")
        if stream.state != "up" or not refused:
            return stream
        return _down(stream, f"it stores nothing ({refused})", remedy_of(refused))

    async def _scorer(self) -> Component:
        answer = await self._parts.scorer.get("/health", timeout=ANSWER_S)
        return _projected(answer.json() | {"disk_bytes": self._disk("scorer")})

    async def _mlflow(self) -> Component:
        (await self._parts.mlflow.get(f"{MOUNT}/health", timeout=ANSWER_S)).raise_for_status()
        return Component("up")

    def _worker(self, process: str) -> Callable[[], Awaitable[Component]]:
        async def look() -> Component:
            said = await ask(self._parts.link, process, "status", timeout=ANSWER_S)
            return Component("up", said.get("seq"), said.get("lag_events"), details=said)

        return look

    def _projection(self, projection: str) -> Callable[[], Awaitable[Component]]:
        async def look() -> Component:
            status = await ask(self._parts.link, projection, "status", timeout=ANSWER_S)
            return _projected(status | {"disk_bytes": self._disk(projection)})

        return look

    def _disk(self, projection: str) -> int:
        """Bytes of every version of a projection; files may go while they are counted."""
        found = 0
        for path in self._parts.settings.read_models_dir.glob(f"{projection}-v*"):
            with contextlib.suppress(OSError):
                found += path.stat().st_size
        return found

    def _outbox(self, scorer: Component) -> Component:
        """Decisions that wait for the stream, as the scorer tells."""
        told = scorer.details.get("outbox")
        if not isinstance(told, Mapping):
            return self._absent("outbox", "the scorer does not tell")
        waiting = int(told.get("waiting", 0))
        oldest_us = told.get("oldest_us")
        age = max(0.0, (now_us() - oldest_us) / SECOND_US) if isinstance(oldest_us, int) else None
        found = Component("behind" if waiting else "up", None, waiting, age if waiting else 0.0, dict(told))
        if told.get("unwritable"):
            wrong = f"it cannot be written ({told['unwritable']}), so that recommendations need the stream"
            return _down(found, wrong, ROOM_TO_KEEP)
        return found


def _projected(status: Answer) -> Component:
    """A projection's own words as a component."""
    lag_events, lag_seconds = status.get("lag_events") or 0, status.get("lag_seconds") or 0.0
    state: State = status["state"]
    if state == "up" and lag_events > BEHIND_EVENTS and lag_seconds > BEHIND_S:
        state = "behind"
    return Component(state, status.get("seq"), lag_events, round(lag_seconds, 3), status)


def _down(answers: Component, wrong: str, remedy: str) -> Component:
    """A part that answers and is down all the same."""
    return replace(answers, state="down", details={**answers.details, "last_error": wrong, "remedy": remedy})


def remedy_of(refused: str) -> str:
    """What to do about a stream that stores nothing, from the server's words for it."""
    return next((remedy for word, remedy in REFUSALS if word in refused), MAKE_ROOM)


def _serving(components: Mapping[str, Component]) -> bool:
    return all(part.state == "up" for name, part in components.items() if name not in OPTIONAL)


def _status(components: Mapping[str, Component]) -> Literal["ok", "starting", "degraded"]:
    states = {part.state for part in components.values()}
    if states == {"up"}:
        return "ok"
    return "starting" if states <= {"up", "starting"} else "degraded"
