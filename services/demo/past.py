"""The history of simulated people put on a stream, a batch at a time, with a check that nobody wrote in between."""

from collections.abc import Callable, Sequence
from itertools import islice

from contracts.envelope import Message
from contracts.errors import TipstreamError
from contracts.events.person import TipScored
from contracts.headers import MSG_ID
from contracts.subjects import build
from services.demo.history import History, Plan
from services.demo.people import user_ids
from services.demo.present import Bus

BATCH = 1000
HARMLESS = frozenset({"feedback", "signal", "scored", "shadow"})
"""Areas of subjects whose events change nothing for anybody else than the person they are about."""

Progress = Callable[[int, float], None]
"""Called with the events published so far and the share of the history that they cover."""


class StreamChanged(TipstreamError):
    """Somebody else wrote to the stream while the demo's history was published, and changed what it was made from.

    Start again with an empty HOME, and let the history finish before anything else is published.
    """


async def has_past(bus: Bus) -> bool:
    """Whether the stream holds decisions for the first simulated person, of whatever seed."""
    last = (await bus.info()).last_seq
    if last:
        async for _ in bus.read(0, upto=last, subjects=[build(TipScored.SUBJECT, {"user_id": user_ids(1)[0]})]):
            return True
    return False


async def publish_past(bus: Bus, history: History, progress: Progress | None = None) -> int:
    """Publish a history from the state it starts with; the number of events. Raises StreamChanged."""
    published = 0
    messages = history.messages()
    while True:
        before = history.present.state.seq
        batch = list(islice(messages, BATCH))
        if not batch:
            return published
        last = await bus.publish_batch(batch)
        if last != before + len(batch):
            await _look(bus, history.plan, before, last, batch)
            # What came in between concerns other people; only the place of what follows has moved.
            history.present.state.seq = last
        published += len(batch)
        if progress is not None:
            progress(published, history.covered)


async def _look(bus: Bus, plan: Plan, before: int, last: int, batch: Sequence[Message]) -> None:
    """StreamChanged unless the batch came in whole and everything else after `before` is about other people."""
    ours = {message.headers[MSG_ID] for message in batch}
    simulated = set(user_ids(plan.people))
    found = 0
    async for records in bus.read(before, upto=last):
        for record in records:
            if record.headers.get(MSG_ID) in ours:
                found += 1
                continue
            area, person = record.subject.split(".")[1], record.subject.rpartition(".")[2]
            if area not in HARMLESS or person in simulated:
                raise StreamChanged(
                    f"{record.subject[:100]} was published while the demo's history was (sequence {record.seq}); "
                    "start again with an empty HOME and let the history finish first"
                )
    if found != len(batch):
        raise StreamChanged(
            "the stream holds a part of this very history already; start again with an empty HOME, or with another seed"
        )
