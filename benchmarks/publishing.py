"""Publishing with acks: nats-py's ways and ours, FSYNC always and interval side by side.

The server is a process of its own; the publishers share this one, which is what an application has too.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

import nats
from nats.js import JetStreamContext
from numpy import median

from benchmarks.events import Fresh
from benchmarks.figures import Figures, times
from benchmarks.measure import Prepared, in_turns, ratio
from benchmarks.options import Options
from benchmarks.server import FSYNCS, nats_server
from contracts.envelope import Message
from services.bus.jetstream import JetStreamBus

WINDOW = 4000
AT_ONCE, OURS = "tipstream: publish, all at once", "tipstream: publish_all"
ASYNC = "nats-py: publish_async, window 4000"
TARGET = 3.0


async def run(options: Options) -> list[Figures]:
    """One table; both servers run at once and take turns."""
    figures = Figures(
        "publishing",
        "Publishing small events, acked: events a second",
        ("how", *(f"FSYNC={fsync}" for fsync in FSYNCS), *(f"x publish_async, {fsync}" for fsync in FSYNCS)),
    )
    cases: dict[str, Prepared] = {}
    async with AsyncExitStack() as held:
        for fsync in FSYNCS:
            server = held.enter_context(nats_server(fsync))
            bus = await JetStreamBus.connect(server.url, name="benchmark")
            held.push_async_callback(bus.close)
            await bus.declare()
            client = await nats.connect(server.url)
            held.push_async_callback(client.close)
            js = client.jetstream(publish_async_max_pending=WINDOW)
            for name, work in _ways(bus, js, fsync).items():
                cases[f"{name} {fsync}"] = work
        rates = await in_turns(cases, turns=options.turns, slice_s=options.slice_s)
    for name in (name.removesuffix(f" {FSYNCS[0]}") for name in cases if name.endswith(FSYNCS[0])):
        each = [float(median(rates[f"{name} {fsync}"])) for fsync in FSYNCS]
        against = [ratio(rates, f"{name} {fsync}", f"{ASYNC} {fsync}") for fsync in FSYNCS]
        figures.add(name, *each, *map(times, against))
        if name == OURS and against[-1] < TARGET:
            figures.notes.append(f"MISSED publish_async: {times(against[-1])}, wanted {times(TARGET)}")
    return [figures]


def _ways(bus: JetStreamBus, js: JetStreamContext, prefix: str) -> dict[str, Prepared]:
    fresh = Fresh(prefix)

    async def one_by_one(messages: Sequence[Message]) -> int:
        for message in messages:
            await js.publish(message.subject, message.data, headers=message.headers)
        return len(messages)

    async def futures(messages: Sequence[Message]) -> int:
        acks = [await js.publish_async(one.subject, one.data, headers=one.headers) for one in messages]
        await asyncio.gather(*acks)
        return len(messages)

    async def ours_one_by_one(messages: Sequence[Message]) -> int:
        for message in messages:
            await bus.publish(message)
        return len(messages)

    async def ours_at_once(messages: Sequence[Message]) -> int:
        return len(await asyncio.gather(*map(bus.publish, messages)))

    async def ours(messages: Sequence[Message]) -> int:
        return len(await bus.publish_all(messages))

    few, many = partial(fresh.take, 50), partial(fresh.take, WINDOW)
    return {
        "nats-py: publish, one at a time": Prepared(few, one_by_one),
        ASYNC: Prepared(many, futures),
        "tipstream: publish, one at a time": Prepared(few, ours_one_by_one),
        AT_ONCE: Prepared(many, ours_at_once),
        OURS: Prepared(many, ours),
    }
