"""`POST /score` over HTTP: 50 candidates, 16 features, the stream's ack awaited, while the scorer folds live feedback.

Every server is a process of its own, the load comes from another. First saturated throughput in turns, for ratios; then
latency at fixed arrival rates, FSYNC always and interval side by side.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
import orjson
from numpy import median

from benchmarks.catalogue import context_at
from benchmarks.figures import Figures, times
from benchmarks.load import Demand, put_load
from benchmarks.options import Options
from benchmarks.server import FSYNCS, Fsync, Server, ended, free_port, nats_server, wait_for_port
from contracts.events.catalog import TipPublished
from services.bootstrap import ensure_stream, load_signer
from services.bus.jetstream import JetStreamBus
from services.catalog.builtin import builtin_tips
from services.publishing import EventPublisher
from services.settings import Settings

CANDIDATES, PEOPLE = 50, 100
RATES = (50.0, 100.0, 200.0)
FEEDBACK_A_SECOND = 100
KEY = "benchmark-key-benchmark"
READY_S = 60.0
TARGET = 0.6
P99_LIMIT_MS, LIMIT_RATE = 50.0, 100.0
ECHO, UNLOGGED = "FastAPI echo of the same body", "tipstream: without publishing"


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load; `stream` is where its events come from, None when it has none."""

    name: str
    port: int
    stream: Server | None = None


async def run(options: Options) -> list[Figures]:
    """Two tables: throughput with ratios, and latencies."""
    async with AsyncExitStack() as held:
        port = free_port()
        start(held, ["benchmarks.stand_ins", "echo", str(port)], port, os.environ)
        targets = [Target(ECHO, port)]
        scorers: list[tuple[str, Fsync, list[str]]] = [(UNLOGGED, "interval", ["benchmarks.stand_ins", "unlogged"])]
        scorers += [(f"tipstream: acked, FSYNC={fsync}", fsync, ["services.cli", "scorer"]) for fsync in FSYNCS]
        for name, fsync, command in scorers:
            server = held.enter_context(nats_server(fsync))
            await begin_stream(server)
            targets.append(start_scorer(held, server, name, command))
        bodies = bodies_of_people()
        for target in targets[1:]:
            await ready(target, bodies[0])
        return [await _throughput(targets, bodies, options), await _latencies(targets, bodies, options)]


async def _throughput(targets: list[Target], bodies: list[str], options: Options) -> Figures:
    figures = Figures(
        "answering-throughput",
        f"POST /score, {CANDIDATES} candidates: calls a second, 8 connections always waiting",
        ("server", "calls/s", "x echo", "x without publishing", "failed"),
    )
    rates: dict[str, list[float]] = {target.name: [] for target in targets}
    failed = dict.fromkeys(rates, 0)
    for turn in range(options.turns + 1):
        for target in targets:
            outcome = await put_load(Demand(target.port, "/score", bodies, options.slice_s * 2, key=KEY))
            failed[target.name] += outcome.failed
            if turn:
                rates[target.name].append(outcome.per_s)
    for name, each in rates.items():
        to_echo, to_unlogged = against = [
            float(median([one / other for one, other in zip(each, rates[base], strict=True)]))
            for base in (ECHO, UNLOGGED)
        ]
        figures.add(name, float(median(each)), *map(times, against), failed[name])
        if name == UNLOGGED and to_echo < TARGET:
            figures.notes.append(f"MISSED {name}: {times(to_echo)} of echo, wanted {times(TARGET)}")
        if name not in (ECHO, UNLOGGED) and to_unlogged < TARGET:
            figures.notes.append(f"MISSED {name}: {times(to_unlogged)} of not publishing, wanted {times(TARGET)}")
    return figures


async def _latencies(targets: list[Target], bodies: list[str], options: Options) -> Figures:
    figures = Figures(
        "answering-latency",
        f"POST /score, {CANDIDATES} candidates: ms at fixed arrival rates, {FEEDBACK_A_SECOND} reactions/s folded",
        ("server", *(f"{what} at {rate:g}/s" for rate in RATES for what in ("p50", "p99")), "failed"),
    )
    cells: dict[str, list[float]] = {target.name: [] for target in targets}
    failed = dict.fromkeys(cells, 0)
    for rate in RATES:
        for target in targets:
            async with reactions(target.stream):
                outcome = await put_load(Demand(target.port, "/score", bodies, options.rate_s, rate=rate, key=KEY))
            cells[target.name] += [outcome.p50_ms, outcome.p99_ms]
            failed[target.name] += outcome.failed
            if rate == LIMIT_RATE and outcome.p99_ms > P99_LIMIT_MS:
                figures.notes.append(f"MISSED {target.name}: p99 {outcome.p99_ms:.0f} ms at {rate:g}/s")
    for name, each in cells.items():
        figures.add(name, *each, failed[name])
    return figures


@asynccontextmanager
async def reactions(stream: Server | None) -> AsyncIterator[None]:
    """Feedback coming in on a stream for as long as the block lasts."""
    if stream is None:
        yield
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.traffic", stream.url, str(FEEDBACK_A_SECOND), str(PEOPLE)),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def begin_stream(server: Server) -> None:
    """A stream with the built-in tips and as many more as it takes."""
    settings = Settings(home=server.home, nats_url=server.url)
    bus = await JetStreamBus.connect(server.url, name="benchmark")
    await ensure_stream(bus, settings)
    publisher = EventPublisher(bus, load_signer(settings), source="/tipstream/benchmark")
    for tip_id in _tip_ids()[len(builtin_tips()) :]:
        tip = TipPublished(tip_id=tip_id, title=tip_id, category="focus", effort=3, minutes=15)
        await publisher.publish_signed(tip, actor="benchmark")
    await bus.close()


def _tip_ids() -> list[str]:
    known = [tip.tip_id for tip in builtin_tips()]
    return known + [f"benchmark-tip-{number}" for number in range(CANDIDATES - len(known))]


def bodies_of_people() -> list[str]:
    """One call a person, with every signal known."""
    context, tip_ids = context_at(time.time_ns() // 1000), _tip_ids()
    return [
        orjson.dumps(
            {"user_id": f"user-{number:03d}", "context": context, "candidates": tip_ids, "policy": "linucb"}
        ).decode()
        for number in range(PEOPLE)
    ]


def start_scorer(held: AsyncExitStack, server: Server, name: str, command: list[str]) -> Target:
    port = free_port()
    env = {
        **os.environ,
        "TIPSTREAM_HOME": str(server.home),
        "TIPSTREAM_NATS_URL": server.url,
        "TIPSTREAM_SCORER_PORT": str(port),
        "TIPSTREAM_API_KEY": KEY,
    }
    start(held, command, port, env)
    return Target(name, port, server)


def start(held: AsyncExitStack, command: list[str], port: int, env: Mapping[str, str]) -> None:
    held.enter_context(ended(subprocess.Popen([sys.executable, "-m", *command], env=env)))
    wait_for_port(port)


async def ready(target: Target, body: str) -> None:
    """Return once it scores. Raises RuntimeError."""
    deadline = time.monotonic() + READY_S
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as client:
        while time.monotonic() < deadline:
            answer = await client.post(f"http://127.0.0.1:{target.port}/score", content=body)
            if answer.status_code == 200:
                return
            await asyncio.sleep(0.1)
    raise RuntimeError(f"{target.name} does not score: {answer.text}")
