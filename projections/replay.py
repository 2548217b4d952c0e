"""What a replay is about: its projections, its end, and the plan that a dry run shows."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, get_args

from contracts.envelope import Recorded
from contracts.errors import TipstreamError
from contracts.events.admin import Projection, ReplayRequested
from contracts.subjects import person_filters
from contracts.times import format_time
from projections.continuity import Range, StreamRange, continuity
from projections.control import ask
from projections.folds.tables import BANDIT_STATS, tables_of
from projections.pieces import Asked
from services.bus.errors import BusUnavailable, RequestFailed

EVERY_PROJECTION: tuple[Projection, ...] = get_args(Projection)


class BadBound(TipstreamError):
    """A replay cannot end there: the sequence is past the log's end, or no event is as old as the time."""


class Bus(Asked, Protocol):
    """What replays ask of the bus."""

    async def info(self) -> StreamRange: ...
    async def get(self, seq: int) -> Recorded | None: ...
    async def missing(self, first: int, last: int) -> list[Range]: ...
    def read(
        self, after: int, *, upto: int | None = None, subjects: Sequence[str] = ()
    ) -> AsyncIterator[list[Recorded]]: ...


def tables_in(projection: Projection) -> tuple[str, ...]:
    """The tables whose digests make up a projection's word."""
    if projection == "scorer":
        return (BANDIT_STATS.name,)
    return tuple(table.name for table in tables_of("sqlite" if projection == "sqlite" else "duckdb"))


def progress_subject(replay_id: str) -> str:
    """Where the replay worker tells how far it is: core NATS, outside the log that is being proved."""
    return f"tipstream.progress.replay.{replay_id}"


@dataclass(frozen=True, slots=True)
class Word:
    """What a projection says of itself: its live version, where that stands, the digest of each of its tables.

    `problem` says why it has no word; `digest` is over all tables, None without a word.
    """

    projection: Projection
    version: int = 0
    seq: int = 0
    tables: dict[str, str] = field(default_factory=dict)
    digest: str | None = None
    problem: str = ""


async def word_of(bus: Asked, projection: Projection, user_id: str | None = None) -> Word:
    """The word of a projection's owner, of one person's rows when `user_id` is given."""
    try:
        answer = await ask(bus, projection, "digest", user_id=user_id)
    except (BusUnavailable, RequestFailed) as problem:
        return Word(projection, problem=str(problem))
    return Word(projection, answer["version"], answer["checkpoint"]["seq"], answer["tables"], answer["digest"])


async def last_seq_of(bus: Bus, request: ReplayRequested) -> int | None:
    """The sequence a bounded replay ends at, None for one without a bound. Raises BadBound."""
    info = await bus.info()
    if request.upto_seq is not None:
        if request.upto_seq > info.last_seq:
            raise BadBound(f"upto_seq {request.upto_seq} is past the log's end, {info.last_seq}")
        return request.upto_seq
    if request.upto_time is None:
        return None
    found = await _last_before(bus, info, request.upto_time)
    if found is None:
        raise BadBound(f"no event was recorded by {format_time(request.upto_time)}")
    return found


async def _last_before(bus: Bus, info: StreamRange, moment_us: int) -> int | None:
    """The last sequence recorded at or before a moment: a binary search, since the stream's clock only rises."""
    low, high = info.first_seq - 1, info.last_seq
    while low < high:
        middle = (low + high + 1) // 2
        at, recorded = middle, await bus.get(middle)
        while recorded is None and at > low + 1:
            at -= 1
            recorded = await bus.get(at)
        if recorded is None or recorded.recorded_us <= moment_us:
            low = middle
        else:
            high = at - 1
    return low if low >= info.first_seq else None


@dataclass(frozen=True, slots=True)
class Touched:
    """One projection of a plan: the live version and where it stands, and what would become of it."""

    projection: Projection
    live_version: int | None
    live_seq: int | None
    upto_seq: int
    effect: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay would touch; `complaint` says why its result could not be called full, empty when it could."""

    events: int
    touched: tuple[Touched, ...]
    complaint: str

    def lines(self) -> list[str]:
        """The plan for people."""
        said = [f"would fold {self.events:,} events a projection; nothing has been touched"]
        for one in self.touched:
            live = f"live v{one.live_version} at {one.live_seq}" if one.live_version is not None else "not running"
            said.append(f"{one.projection:<10} {live}: {one.effect}")
        return [*said, f"not a full replay: {self.complaint}"] if self.complaint else said


async def events_upto(bus: Bus, upto: int) -> int:
    """How many events the log holds from its beginning up to and with a sequence."""
    return upto - sum(last - first + 1 for first, last in await bus.missing(1, upto))


async def plan_replay(bus: Bus, request: ReplayRequested) -> Plan:
    """What this replay would touch, worked out without publishing or writing anything. Raises BadBound."""
    bound = await last_seq_of(bus, request)
    info = await bus.info()
    upto = bound or info.last_seq
    touched = [await _touched(bus, projection, request, bound, upto) for projection in request.projections]
    complaint = (await continuity(bus, upto)).complaint()
    return Plan(await _count(bus, request, info, upto), tuple(touched), complaint)


async def _touched(bus: Bus, projection: Projection, request: ReplayRequested, bound: int | None, upto: int) -> Touched:
    try:
        status = await ask(bus, projection, "status")
    except (BusUnavailable, RequestFailed):
        return Touched(projection, None, None, upto, "would be folded, and could not be compared or switched")
    version, seq = int(status["version"]), int(status["seq"])
    if request.mode == "back":
        before = status["previous"]
        effect = "has no version before it" if before is None else f"would be switched back to version {before}"
    elif request.user_id is not None:
        effect = (
            f"would fold {request.user_id!r:.80} up to {bound or seq} and compare their digest; nothing is switched"
        )
    elif bound is not None:
        effect = f"would be folded up to {bound} as it was, into a version of its own that is not switched to"
    else:
        effect = f"would be folded up to {seq} beside it, compared by digest, and switched to when equal"
    return Touched(projection, version, seq, bound or seq, effect)


async def _count(bus: Bus, request: ReplayRequested, info: StreamRange, upto: int) -> int:
    if request.mode == "back":
        return 0
    if request.user_id is None:
        return await events_upto(bus, upto)
    count = 0
    async for batch in bus.read(0, upto=upto, subjects=person_filters(request.user_id)):
        count += len(batch)
    return count
