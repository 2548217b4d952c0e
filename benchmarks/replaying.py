"""Replaying from the stream, step by step: reading, decoding, learning, and every table with its digests.

The baseline reads with nats-py's fetch and parses JSON: no checks, no folds.
"""

import nats
import orjson
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig
from numpy import median

from benchmarks.events import demo_log
from benchmarks.figures import Figures, times
from benchmarks.measure import Work, in_turns, ratio
from benchmarks.options import Options
from benchmarks.server import nats_server
from contracts.codec import Decoder
from projections.folds.projection import State, advance, fold
from projections.sinks.memory import MemorySink
from services.bus.jetstream import JetStreamBus

BASE = "nats-py: fetch(1000) and orjson"
MOST_EVENTS = 20_000


async def run(options: Options) -> list[Figures]:
    """One table, each row doing more than the one above it."""
    log = await demo_log(min(options.events, MOST_EVENTS))
    figures = Figures(
        "replaying",
        f"Replaying from the stream: events a second ({len(log.messages):,} events of {log.mean_bytes:,.0f} bytes)",
        ("what", "events/s", f"x {BASE}"),
    )
    with nats_server("interval") as server:
        bus = await JetStreamBus.connect(server.url, name="benchmark")
        await bus.declare()
        last = await bus.publish_batch(log.messages)
        client = await nats.connect(server.url)
        cases: dict[str, Work] = {BASE: _fetching(client.jetstream(), last)} | _ours(bus, log.decoder, last)
        rates = await in_turns(cases, turns=options.turns, slice_s=options.slice_s)
        await client.close()
        await bus.close()
    for name, each in rates.items():
        figures.add(name, float(median(each)), times(ratio(rates, name, BASE)))
    return [figures]


def _fetching(js: JetStreamContext, last: int) -> Work:
    async def fetch() -> int:
        sub = await js.pull_subscribe("tips.>", stream="TIPS", config=ConsumerConfig(ack_policy=AckPolicy.NONE))
        read = 0
        while read < last:
            try:
                for message in await sub.fetch(min(1000, last - read), timeout=5):
                    orjson.loads(message.data)
                    read += 1
            except NatsTimeout:
                break
        await sub.unsubscribe()
        return read

    return fetch


def _ours(bus: JetStreamBus, decoder: Decoder, last: int) -> dict[str, Work]:
    async def parse() -> int:
        async for records in bus.read(0, upto=last):
            for record in records:
                orjson.loads(record.data)
        return last

    async def decode() -> int:
        async for records in bus.read(0, upto=last):
            for record in records:
                decoder.decode(record)
        return last

    async def learn() -> int:
        state = State()
        async for records in bus.read(0, upto=last):
            for record in records:
                advance(state, decoder.decode(record))
        return last

    async def tables() -> int:
        state, sink = State(), MemorySink()
        async for records in bus.read(0, upto=last):
            for record in records:
                sink.take(fold(state, decoder.decode(record))[1])
        return last

    async def proved() -> int:
        state, sink = State(), MemorySink()
        async for records in bus.read(0, upto=last):
            for record in records:
                sink.take(fold(state, decoder.decode(record))[1])
        sink.proof()
        return last

    return {
        "tipstream: read and orjson": parse,
        "tipstream: read, decode and check": decode,
        "... and learn (the scorer's replay)": learn,
        "... and all tables in memory": tables,
        "... and their digests (verify)": proved,
    }
