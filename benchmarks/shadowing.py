"""What people notice of shadows and experiments: `POST /score` with two policies in shadow and an experiment running,
beside a scorer with neither; the ack awaited, reactions folded, the shadow process at work. Shadows are as many
events again, so FSYNC always and interval are measured: what a disk adds shows in the difference."""

import os
import subprocess
import sys
from contextlib import AbstractContextManager, AsyncExitStack

from numpy import median

from benchmarks.answering import (
    CANDIDATES,
    FEEDBACK_A_SECOND,
    KEY,
    Target,
    begin_stream,
    bodies_of_people,
    reactions,
    ready,
    start_scorer,
)
from benchmarks.figures import Figures, times
from benchmarks.load import Demand, put_load
from benchmarks.options import Options
from benchmarks.server import FSYNCS, Fsync, Server, ended, nats_server
from contracts.events.admin import Arm, ExperimentStarted, PolicyShadowed
from services.bootstrap import load_signer
from services.bus.jetstream import JetStreamBus
from services.publishing import EventPublisher
from services.settings import Settings

RATE = 100.0
SHADOWS = ("softmax", "greedy")
ALONE, WATCHED = "neither", "two shadows, an experiment"
LIMIT = 1.1


async def run(options: Options) -> list[Figures]:
    """A table for each FSYNC: latencies in turns, the ratio of the p99s, how many shadows were scored meanwhile."""
    return [await _beside_each_other(fsync, options) for fsync in FSYNCS]


async def _beside_each_other(fsync: Fsync, options: Options) -> Figures:
    async with AsyncExitStack() as held:
        targets: list[Target] = []
        for name in (ALONE, WATCHED):
            server = held.enter_context(nats_server(fsync))
            await begin_stream(server)
            if name == WATCHED:
                await _shadow(server)
                held.enter_context(_worker(server))
            targets.append(start_scorer(held, server, name, ["services.cli", "scorer"]))
        bodies = bodies_of_people()
        for target in targets:
            await ready(target, bodies[0])
        return await _latencies(fsync, targets, bodies, options)


async def _latencies(fsync: Fsync, targets: list[Target], bodies: list[str], options: Options) -> Figures:
    figures = Figures(
        f"shadowing-{fsync}",
        f"POST /score, FSYNC={fsync}, {CANDIDATES} candidates, {RATE:g} calls/s, {FEEDBACK_A_SECOND} reactions/s "
        "folded: ms",
        ("scorer", "p50", "p99", "x p50", "x p99", "failed", "shadows"),
    )
    p50: dict[str, list[float]] = {target.name: [] for target in targets}
    p99: dict[str, list[float]] = {target.name: [] for target in targets}
    failed = dict.fromkeys(p50, 0)
    for turn in range(options.turns + 1):
        for target in targets:
            async with reactions(target.stream):
                outcome = await put_load(Demand(target.port, "/score", bodies, options.rate_s, rate=RATE, key=KEY))
            failed[target.name] += outcome.failed
            if turn:
                p50[target.name].append(outcome.p50_ms)
                p99[target.name].append(outcome.p99_ms)
    for target in targets:
        name, shadows = target.name, await _shadows(target.stream)
        ratios = [float(median(each[name]) / median(each[ALONE])) for each in (p50, p99)]
        figures.add(
            name, float(median(p50[name])), float(median(p99[name])), *map(times, ratios), failed[name], shadows
        )
        if ratios[1] > LIMIT:
            figures.notes.append(f"MISSED {name}: p99 {times(ratios[1])} of {ALONE}, wanted {times(LIMIT)}")
    return figures


def _worker(server: Server) -> AbstractContextManager[object]:
    env = {**os.environ, "TIPSTREAM_HOME": str(server.home), "TIPSTREAM_NATS_URL": server.url}
    return ended(subprocess.Popen([sys.executable, "-m", "services.cli", "shadow"], env=env))


async def _shadow(server: Server) -> None:
    bus = await JetStreamBus.connect(server.url, name="benchmark")
    publisher = EventPublisher(bus, load_signer(Settings(home=server.home)), source="/tipstream/benchmark")
    for policy in SHADOWS:
        await publisher.publish_signed(PolicyShadowed(policy=policy), actor="benchmark")
    arms = [Arm(policy=policy, weight=1.0) for policy in ("linucb", *SHADOWS)]
    started = ExperimentStarted(experiment_id="benchmark", name="benchmark", salt="benchmark", arms=arms)
    await publisher.publish_signed(started, actor="benchmark")
    await bus.close()


async def _shadows(server: Server | None) -> int:
    assert server is not None
    bus, found = await JetStreamBus.connect(server.url, name="benchmark"), 0
    async for batch in bus.read(0, upto=(await bus.info()).last_seq, subjects=["tips.shadow.>"]):
        found += len(batch)
    await bus.close()
    return found
