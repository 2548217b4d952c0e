"""What people notice of shadows and experiments: `POST /score` with two policies in shadow and an experiment running,
beside a scorer with neither; the ack awaited, reactions folded, the shadow process at work. Shadows are as many
events again, so FSYNC always and interval are measured: what a disk adds shows in the difference.

With shadows twice: as it is by default, where those of a busy moment come after it, and with
TIPSTREAM_SHADOW_DEFER_S=0, as under a load that has lasted for longer than that. Nothing is measured before all shadows
of what went before are scored.
"""

import asyncio
import os
import subprocess
import sys
from contextlib import AbstractContextManager, AsyncExitStack

import numpy as np
from numpy.typing import NDArray

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
from benchmarks.load import Demand, Outcome, put_load
from benchmarks.options import Options
from benchmarks.server import FSYNCS, Fsync, Server, ended, nats_server
from contracts.events.admin import Arm, ExperimentStarted, PolicyShadowed
from projections.control import ask
from services.bootstrap import load_signer
from services.bus.jetstream import JetStreamBus
from services.publishing import EventPublisher
from services.settings import Settings

RATE = 100.0
SHADOWS = ("softmax", "greedy")
ALONE = "neither"
WATCHED = {"two shadows, an experiment": None, "the same, shadows at once": "0"}
"""TIPSTREAM_SHADOW_DEFER_S of each."""
LIMIT = 1.1
LOOK_S = 0.2
PAIRS_A_TURN = 4
"""Short slices, and many: a disk that is slow for half a minute is so for both of a pair, and their ratio stands."""


async def run(options: Options) -> list[Figures]:
    """A table for each FSYNC: latencies in pairs, the ratios of each, how many shadows were scored, and of these how
    many meanwhile."""
    return [await _beside_each_other(fsync, options) for fsync in FSYNCS]


async def _beside_each_other(fsync: Fsync, options: Options) -> Figures:
    async with AsyncExitStack() as held:
        targets: list[Target] = []
        for name in (ALONE, *WATCHED):
            server = held.enter_context(nats_server(fsync))
            await begin_stream(server)
            if name in WATCHED:
                await _shadow(server)
                held.enter_context(_worker(server, WATCHED[name]))
            targets.append(start_scorer(held, server, name, ["services.cli", "scorer"]))
        bodies = bodies_of_people()
        for target in targets:
            await ready(target, bodies[0])
        return await _latencies(fsync, targets, bodies, options)


async def _latencies(fsync: Fsync, targets: list[Target], bodies: list[str], options: Options) -> Figures:
    pairs = options.turns * PAIRS_A_TURN
    figures = Figures(
        f"shadowing-{fsync}",
        f"POST /score, FSYNC={fsync}, {CANDIDATES} candidates, {RATE:g} calls/s, {FEEDBACK_A_SECOND} reactions/s "
        f"folded: ms; the ratios are medians of {pairs} pairs with their 95 % intervals, from undisturbed calls",
        (
            "scorer", "p50", "p99", "disturbed", "calm p50", "calm p99", "x p50", "x p99", "failed", "shadows",
            "meanwhile",
        ),
    )  # fmt: skip
    outcomes: dict[str, list[Outcome]] = {target.name: [] for target in targets}
    shadows = {name: np.zeros(2, np.int64) for name in outcomes}
    for pair in range(-1, pairs):
        # Whoever comes second in one pair comes first in the next: neither gets more of a disk that grows slower.
        for target in targets if pair % 2 else reversed(targets):
            before = await _scored(target)
            async with reactions(target.stream):
                demand = Demand(target.port, "/score", bodies, options.rate_s / PAIRS_A_TURN, rate=RATE, key=KEY)
                outcome = await put_load(demand)
                meanwhile = await _scored(target) - before
            after = await _scored(target, all_of_them=True) - before
            if pair >= 0:
                outcomes[target.name].append(outcome)
                shadows[target.name] += np.array([after, meanwhile])
    alone = outcomes[ALONE]
    for target in targets:
        each = outcomes[target.name]
        p50 = np.array([one.calm_p50_ms / other.calm_p50_ms for one, other in zip(each, alone, strict=True)])
        p99 = np.array([one.calm_p99_ms / other.calm_p99_ms for one, other in zip(each, alone, strict=True)])
        figures.add(
            target.name,
            float(np.median([one.p50_ms for one in each])),
            float(np.median([one.p99_ms for one in each])),
            f"{sum(one.disturbed for one in each) / sum(one.calls for one in each):.0%}",
            float(np.median([one.calm_p50_ms for one in each])),
            float(np.median([one.calm_p99_ms for one in each])),
            _told(p50),
            _told(p99),
            sum(one.failed for one in each),
            *map(int, shadows[target.name]),
        )
        if np.median(p99) > LIMIT:
            figures.notes.append(f"MISSED {target.name}: p99 {_told(p99)} of {ALONE}, wanted {times(LIMIT)}")
    return figures


def _told(ratios: NDArray[np.float64]) -> str:
    """The median, with its 95 % interval between order statistics (Conover 1999, 3.2): no distribution is supposed."""
    ordered, half = np.sort(ratios), 0.98 * np.sqrt(len(ratios))
    low = max(int(len(ratios) / 2 - half), 0)
    return f"{times(float(np.median(ratios)))} ({ordered[low]:.2f} to {ordered[-1 - low]:.2f})"


def _worker(server: Server, defer_s: str | None) -> AbstractContextManager[object]:
    env = {**os.environ, "TIPSTREAM_HOME": str(server.home), "TIPSTREAM_NATS_URL": server.url}
    if defer_s is not None:
        env["TIPSTREAM_SHADOW_DEFER_S"] = defer_s
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


async def _scored(target: Target, *, all_of_them: bool = False) -> int:
    """How many shadows the process beside a scorer has published; of all that was decided, if need be by waiting."""
    if target.name == ALONE:
        return 0
    assert target.stream is not None
    bus = await JetStreamBus.connect(target.stream.url, name="benchmark")
    said = await ask(bus, "shadow", "status")
    while all_of_them and (said["seq"] or 0) < (await bus.info()).last_seq:
        await asyncio.sleep(LOOK_S)
        said = await ask(bus, "shadow", "status")
    await bus.close()
    scored: int = said["scored"]
    return scored
