"""Reading a stream for a fold, undecoded: nats-py's fetch against our overlapping pulls."""

import nats
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig
from numpy import median

from benchmarks.events import Fresh
from benchmarks.figures import Figures, times
from benchmarks.measure import Work, in_turns, ratio
from benchmarks.options import Options
from benchmarks.server import nats_server
from services.bus.jetstream import JetStreamBus

PIECE = 10_000
OURS, FETCH = "tipstream: bus.read", "nats-py: fetch(1000), no acks"
TARGET = 3.5


async def run(options: Options) -> list[Figures]:
    """One table; the stream is written once and read over and over."""
    figures = Figures("reading", "Reading small events, undecoded: events a second", ("how", "events/s", "x fetch"))
    with nats_server("interval") as server:
        bus = await JetStreamBus.connect(server.url, name="benchmark")
        await bus.declare()
        events = max(options.events, PIECE)
        await bus.publish_batch(Fresh("read").take(events))
        client = await nats.connect(server.url)
        js = client.jetstream()
        cases: dict[str, Work] = {FETCH: _fetching(js), "nats-py: ordered consumer": _ordered(js), OURS: _ours(bus)}
        rates = await in_turns(cases, turns=options.turns, slice_s=options.slice_s)
        await client.close()
        await bus.close()
    for name, each in rates.items():
        against = ratio(rates, name, FETCH)
        figures.add(name, float(median(each)), times(against))
        if name == OURS and against < TARGET:
            figures.notes.append(f"MISSED fetch: {times(against)}, wanted {times(TARGET)}")
    return [figures]


def _fetching(js: JetStreamContext) -> Work:
    async def fetch() -> int:
        sub = await js.pull_subscribe("tips.>", stream="TIPS", config=ConsumerConfig(ack_policy=AckPolicy.NONE))
        read = 0
        while read < PIECE:
            try:
                read += len(await sub.fetch(1000, timeout=5))
            except NatsTimeout:
                break
        await sub.unsubscribe()
        return read

    return fetch


def _ordered(js: JetStreamContext) -> Work:
    async def ordered() -> int:
        sub = await js.subscribe("tips.>", stream="TIPS", ordered_consumer=True, pending_msgs_limit=10 * PIECE)
        for _ in range(PIECE):
            await sub.next_msg(5)
        await sub.unsubscribe()
        return PIECE

    return ordered


def _ours(bus: JetStreamBus) -> Work:
    async def read() -> int:
        found = 0
        async for records in bus.read(0, upto=PIECE):
            found += len(records)
        return found

    return read
