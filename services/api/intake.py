"""Signals and feedback on their way into the stream: checked, published, answered with their place in it."""

from pydantic import BaseModel

from contracts.events.base import Event
from contracts.events.person import FeedbackReceived, SignalObserved
from contracts.times import in_range
from services.api.stream_link import StreamLink
from services.bus.errors import BusUnavailable
from services.problems import Problem
from services.publishing import conflict, new_id, now_us

ACK_S = 2.0


class Accepted(BaseModel):
    """The event is in the stream at `seq`; sending the same `event_id` again gives the same answer."""

    event_id: str
    seq: int


async def take_signal(link: StreamLink, signal: SignalObserved, traceparent: str | None = None) -> Accepted:
    """Publish what a source observed. Raises Problem: 422 for its time, 503 without an ack, 409 for a used id;
    BusUnavailable before the stream was first reached.
    """
    _check_time("observed_at", signal.observed_at)
    return await _publish(link, signal, signal.event_id, traceparent)


async def take_feedback(link: StreamLink, feedback: FeedbackReceived, traceparent: str | None = None) -> Accepted:
    """Publish what a person did with a tip. Raises Problem as `take_signal`."""
    _check_time("occurred_at", feedback.occurred_at)
    return await _publish(link, feedback, feedback.event_id, traceparent)


def _check_time(field: str, moment: int | None) -> None:
    if moment is not None and not in_range(moment, now_us()):
        raise Problem.invalid([(field, "must not be before 2000 or more than 24 h ahead")])


async def _publish(link: StreamLink, event: Event, given_id: str | None, traceparent: str | None) -> Accepted:
    event_id, publisher = given_id or new_id(), link.publisher
    try:
        _, ack = await publisher.publish(event, event_id=event_id, traceparent=traceparent, timeout=ACK_S)
        first = await link.bus.get(ack.seq) if ack.duplicate and given_id is not None else None
    except BusUnavailable as problem:
        detail = f"no ack from the stream: {problem}; the event may be in it, repeat with this event_id"
        raise Problem.unavailable(detail, extra={"event_id": event_id}) from None
    if first is not None and (why := conflict(first, event.subject(), event)) is not None:
        raise Problem(409, "The event id is taken", f"event_id {why}", errors=[("event_id", why)])
    return Accepted(event_id=event_id, seq=ack.seq)
