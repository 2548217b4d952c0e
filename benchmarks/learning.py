"""Does it learn? The demo's people under each policy: mean reward of a decision, with the best possible beside it.

The same people meet the same moments under every policy; only the choice differs. The reward is the expected one by
the hidden utility, which takes the luck of single reactions out of the comparison (the policy learns from real ones).
"""

import tempfile
import time
from pathlib import Path
from statistics import mean

from benchmarks.figures import Figures
from benchmarks.options import Options
from contracts.envelope import Recorded
from contracts.times import parse_time
from services.bootstrap import ensure_stream
from services.bus.memory import MemoryBus
from services.demo.history import History, Plan, Tally
from services.demo.present import Present
from services.settings import Settings

POLICIES = ("linucb", "greedy", "random")
START_US = parse_time("2026-01-01T00:00:00Z")


async def run(options: Options) -> list[Figures]:
    """One row a policy and seed, then the means over the seeds."""
    figures = Figures(
        "learning",
        f"Learning: mean reward of a decision, {options.people} people, {options.days} days",
        ("policy", "seed", "decisions", "mean reward", "over random", "best possible", "share of the possible gain"),
    )
    shares: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    margins: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    with tempfile.TemporaryDirectory() as home:
        bus = MemoryBus(time.time_ns)
        decoder = await ensure_stream(bus, Settings(home=Path(home)))
        last = (await bus.info()).last_seq
        first: list[Recorded] = [record async for records in bus.read(0, upto=last) for record in records]
        for seed in options.seeds:
            tallies = {policy: _live(Present(decoder), first, seed, policy, options) for policy in POLICIES}
            chance = tallies["random"].means()[0]
            for policy, tally in tallies.items():
                gained, best, _ = tally.means()
                margins[policy].append(gained - chance)
                shares[policy].append((gained - chance) / (best - chance))
                figures.add(policy, seed, tally.decisions, gained, gained - chance, best, shares[policy][-1])
    for policy in POLICIES:
        figures.add(policy, "all", None, None, mean(margins[policy]), None, mean(shares[policy]))
    return [figures]


def _live(present: Present, first: list[Recorded], seed: int, policy: str, options: Options) -> Tally:
    for record in first:
        present.fold(record)
    history = History(Plan(seed, options.people, START_US, options.days), present, time.time_ns(), policy)
    for _ in history.messages():
        pass
    return history.tallies[policy]
