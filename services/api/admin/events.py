"""The tail of the stream: the ring's last events as JSON or as Server-Sent Events, and one event with its links."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import orjson
from fastapi import Header, Path, Query, Request
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic import BaseModel

from contracts.codec import Decoder, trust_of
from contracts.envelope import Entry, Malformed
from contracts.events.base import MAX_INTEGER
from contracts.lines import body_of, json_line
from contracts.subjects import MAX_ID_CHARS, BadSubject, check_pattern
from contracts.times import format_time
from services.api.admin.causes import Link, links_of
from services.api.admin.router import admin_router
from services.api.gate import identity_of
from services.api.parts import Parts, PartsOf
from services.api.ring import RING, Ring
from services.api.sightings import EventRow, Sighting, Wanted
from services.problems import Problem

router = admin_router("/events")

STREAM_TYPE = "text/event-stream"
ASK_S = 1.0
Pattern = Annotated[str | None, Query(description="NATS wildcards: tips.feedback.*.ann, tips.admin.>", max_length=1000)]
User = Annotated[str | None, Query(description="a person's id, not encoded", min_length=1, max_length=MAX_ID_CHARS)]


class Tail(BaseModel):
    """The wanted events of the ring in stream order; `seq` is the stream's last event, `events_per_s` its rate."""

    seq: int
    events_per_s: float
    events: list[EventRow]


class EventDetail(BaseModel):
    """One event whole. `body` is JSON, or text when it is none; `data` holds a malformed event's bytes in base64."""

    seq: int
    recorded_at: str
    occurred_at: str | None
    subject: str
    kind: str
    event_id: str | None
    actor: str | None
    user_id: str | None
    summary: str
    malformed: str | None
    detail: str | None
    headers: dict[str, str]
    body: Any
    data: str | None
    links: list[Link]


@router.get(
    "",
    response_model=Tail,
    responses={200: {"content": {STREAM_TYPE: {"schema": {"type": "string"}}}, "description": "the tail, or its flow"}},
)
async def get_events(
    request: Request,
    parts: PartsOf,
    subject: Pattern = None,
    user: User = None,
    limit: Annotated[int, Query(ge=1, le=RING)] = RING,
    follow: Annotated[bool, Query(description="Server-Sent Events, as with `Accept: text/event-stream`")] = False,
    last_event_id: Annotated[int | None, Header(ge=0, le=MAX_INTEGER, description="go on after this event")] = None,
) -> Any:
    """The last 500 events, filtered; as Server-Sent Events the same, and then what comes.

    Each event's `id` is its sequence. `event: skipped` with `{"events": n}` says how many a slow client has lost.
    """
    wanted = wanted_by(subject, user)
    if follow or STREAM_TYPE in request.headers.get("accept", ""):
        return EventSourceResponse(_flow(request, wanted, last_event_id), headers={"Cache-Control": "no-store"})
    return await tail(parts, wanted, limit)


@router.get("/{seq}")
async def get_event(seq: Annotated[int, Path(ge=1, le=MAX_INTEGER)], parts: PartsOf) -> EventDetail:
    """One event of the stream, however old, with what caused it and what it caused."""
    return await event(parts, seq)


def wanted_by(subject: str | None, user_id: str | None) -> Wanted:
    """The filter of a query. Raises Problem 422 for what NATS takes as no pattern."""
    if subject is not None:
        try:
            check_pattern(subject)
        except BadSubject as error:
            raise Problem.invalid([("subject", str(error))]) from None
    return Wanted(subject, user_id)


async def tail(parts: Parts, wanted: Wanted, limit: int = RING) -> Tail:
    """The ring's wanted events. Raises BusUnavailable before the stream was reached for the first time."""
    parts.link.bus  # noqa: B018  # raises
    await parts.ring.filled()
    rows = [sighting.row for sighting in parts.ring.latest(wanted, limit)]
    return Tail(seq=parts.ring.seq, events_per_s=round(parts.ring.events_per_s, 1), events=rows)


def json_lines(parts: Parts, wanted: Wanted) -> bytes:
    """The ring's wanted events whole, one JSON line each, as `tipstream tail` prints them."""
    return b"".join(json_line(sighting.recorded) + b"\n" for sighting in parts.ring.latest(wanted))


async def event(parts: Parts, seq: int) -> EventDetail:
    """One event with its links. Raises Problem 404 for one that is not there, BusUnavailable."""
    bus = parts.link.bus
    info, recorded = await asyncio.gather(bus.info(), bus.get(seq))
    if recorded is None:
        gone = "it was erased or deleted (`tipstream verify` tells which gaps are explained)"
        why = f"the stream ends at {info.last_seq}" if seq > info.last_seq else gone
        raise Problem(404, "Not Found", f"there is no event {seq}: {why}", field="seq")
    decoder = Decoder(info.created, trust_of(await bus.get(info.first_seq)))
    sighting = Sighting(recorded, decoder)
    item, row = sighting.item, sighting.row
    malformed = isinstance(item, Malformed)
    return EventDetail(
        seq=seq,
        recorded_at=row.recorded_at,
        occurred_at=format_time(item.occurred_us) if isinstance(item, Entry) else None,
        subject=row.subject,
        kind=row.kind,
        event_id=item.event_id if isinstance(item, Entry) else None,
        actor=item.actor if isinstance(item, Entry) else None,
        user_id=row.user_id,
        summary=row.summary,
        malformed=row.malformed,
        detail=item.detail if isinstance(item, Malformed) else None,
        headers=dict(recorded.headers),
        body=body_of(recorded),
        data=base64.b64encode(recorded.data).decode("ascii") if malformed else None,
        links=await asyncio.to_thread(links_of, parts.read_model, item),
    )


async def _flow(request: Request, wanted: Wanted, after: int | None) -> AsyncGenerator[bytes, None]:
    """Until the client goes, or the session or key that opened it has ended."""
    ring: Ring = request.app.state.parts.ring
    loop = asyncio.get_running_loop()
    asked = loop.time()
    async with aclosing(ring.follow(wanted, after)) as batches:
        async for batch in batches:
            if loop.time() - asked >= ASK_S:
                asked = loop.time()
                identity = await asyncio.to_thread(identity_of, request.headers, request.app.state)
                if identity is None or not identity.may("view"):
                    return
            lines = [_sse(sighting) for sighting in batch.sightings]
            if batch.skipped:
                said = orjson.dumps({"events": batch.skipped}).decode()
                lines.insert(0, format_sse_event(event="skipped", data_str=said))
            yield b"".join(lines) or b": still here\n\n"


def _sse(sighting: Sighting) -> bytes:
    return format_sse_event(id=str(sighting.recorded.seq), data_str=orjson.dumps(sighting.row).decode())
