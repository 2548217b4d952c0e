"""Which policy earns most? Progressive validation: each round is decided before it is learned, and its reward counts.

Mean reward of a round on streams whose rewards are all known, over pinned seeds, with the 95 % interval of Student's t.
When a demo person looks away, the round counts 0 and nobody learns from it.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import peers
from benchmarks.bandit_streams import CLASSIFICATIONS, Stream, classification, demo
from benchmarks.figures import Figures
from benchmarks.learners import COUNTERPARTS, Learner, Make, makers
from benchmarks.options import Options
from contracts.envelope import Recorded
from ml.policies.kernel import Array
from services.bootstrap import ensure_stream
from services.bus.memory import MemoryBus
from services.demo.present import Present
from services.settings import Settings

PEOPLE = 5
STUDENT = {2: 12.706, 10: 2.262}
"""The 97.5 % quantile of Student's t for as many seeds."""


async def run(options: Options) -> list[Figures]:
    """One row a learner, one column a stream."""
    seeds = range(1, options.shuffles + 1)
    streams = await _streams(seeds, options.rounds)
    figures = Figures(
        "policies",
        f"Policies: mean reward of a round, at most {options.rounds} rounds, {len(seeds)} seeds",
        ("learner", *streams),
    )
    earned = {name: {about: _earn(make, some) for about, some in streams.items()} for name, make in makers().items()}
    for name, each in earned.items():
        figures.add(name, *(f"{rewards.mean():.3f} ± {_half(rewards):.3f}" for rewards in each.values()))
    for ours, theirs in COUNTERPARTS.items():
        for about in streams if theirs in earned else ():
            gap = earned[ours][about] - earned[theirs][about]
            if gap.mean() + _half(gap) < 0.0:
                figures.notes.append(f"MISSED {ours} on {about}: {gap.mean():+.4f} ± {_half(gap):.4f} of {theirs}")
    for peer in filter(peers.absent, ("MABWiser", "vw-next, pre-parsed")):
        figures.skip(peer, "not installed (extra `bench`)")
    return [figures]


async def _streams(seeds: range, rounds: int) -> dict[str, list[Stream]]:
    """Every stream once a seed, by name."""
    streams = {name: [classification(name, seed, rounds) for seed in seeds] for name in CLASSIFICATIONS}
    with tempfile.TemporaryDirectory() as home:
        bus = MemoryBus(time.time_ns)
        decoder = await ensure_stream(bus, Settings(home=Path(home)))
        last = (await bus.info()).last_seq
        first: list[Recorded] = [record async for records in bus.read(0, upto=last) for record in records]
    people = []
    for seed in seeds:
        present = Present(decoder)
        for record in first:
            present.fold(record)
        people.append(demo(present, seed, rounds, PEOPLE))
    return streams | {"demo's people": people}


def _earn(make: Make, streams: list[Stream]) -> Array:
    """The mean reward of a round on the stream of each seed (n,)."""
    return np.array([_live(make, stream, seed) for seed, stream in enumerate(streams, 1)])


def _live(make: Make, stream: Stream, seed: int) -> float:
    """A learner for each person of a stream; the mean of what they earn."""
    learners: dict[int, Learner] = {}
    total = 0.0
    for at, who in enumerate(stream.whose):
        learner = learners.get(who) or learners.setdefault(who, make(stream, seed))
        arm = learner.choose(at)
        reward = float(stream.rewards[at, arm])
        if reward == reward:
            total += reward
            learner.learn(at, arm, reward)
    return total / len(stream.whose)


def _half(numbers: Array) -> float:
    """Half the width of the mean's interval."""
    return float(STUDENT[len(numbers)] * numbers.std(ddof=1) / np.sqrt(len(numbers)))
