"""Learning in process, d = 16: pulls a second of our sums, textbook numpy and libraries; and one pull with a choice."""

import numpy as np
from numpy.random import PCG64, Generator

from benchmarks import peers
from benchmarks.figures import Figures, times
from benchmarks.measure import Work, in_turns, ratio
from benchmarks.options import Options
from ml.policies.kernel import Array
from ml.policies.params import PolicyParams
from ml.policies.posterior import posterior
from ml.policies.registry import decide
from projections.folds.learning import Sums

D, K = 16, 50
PIECE = 20
OURS = "tipstream: sums"
TARGETS = {"river": 10.0, "MABWiser": 100.0}


async def run(options: Options) -> list[Figures]:
    """Two tables: a pull alone, and a pull followed by a choice among 50, which is when we factorise."""
    alone = Figures("updating", f"Learning in process, d = {D}: pulls a second", ("what", "pulls/s", "ours / it"))
    rates = await in_turns(_pulls(), turns=options.turns, slice_s=options.slice_s)
    for name, each in rates.items():
        times_it = ratio(rates, OURS, name)
        alone.add(name, float(np.median(each)), times(times_it))
        if name in TARGETS and times_it < TARGETS[name]:
            alone.notes.append(f"MISSED {name}: {times(times_it)}, wanted {times(TARGETS[name])}")
    both = Figures(
        "updating-and-scoring", f"A pull, then a choice among {K}, d = {D}", ("what", "rounds/s", "ours / it")
    )
    rates = await in_turns(_rounds(), turns=options.turns, slice_s=options.slice_s)
    for name, each in rates.items():
        both.add(name, float(np.median(each)), times(ratio(rates, OURS_BOTH, name)))
    for peer in filter(peers.absent, peers.PEERS):
        alone.skip(peer, "not installed (extra `bench`)")
    return [alone, both]


OURS_BOTH = "tipstream: sums, factorise, choose"


def _pulls() -> dict[str, Work]:
    chance = Generator(PCG64(7))
    xs = chance.uniform(-1, 1, (PIECE, D))
    sums = Sums.empty(D)
    raw = [row.tobytes() for row in xs]

    def ours() -> int:
        for x in raw:
            sums.add(x, 0.5)
        return PIECE

    cases: dict[str, Work] = {OURS: ours}
    for name, learn in _learners(chance).items():
        cases[name] = _learning(learn, xs)
    return cases


def _learners(chance: Generator) -> dict[str, peers.Learn]:
    found = {"numpy, kept inverse": peers.vectorised(D)[1], "textbook numpy": peers.textbook(D)[1]}
    if not peers.absent("MABWiser"):
        found["MABWiser"] = peers.mabwiser(D, K, chance)[1]
    if not peers.absent("river"):
        found["river"] = peers.river(D, K, chance)[1]
    if not peers.absent("vw-next, pre-parsed"):
        found["vw-next, pre-parsed"] = peers.vowpal(chance.uniform(-1, 1, (K, D)))[1]
    return found


def _learning(learn: peers.Learn, xs: Array) -> Work:
    def piece() -> int:
        for x in xs:
            learn(x, 0.5)
        return len(xs)

    return piece


def _rounds() -> dict[str, Work]:
    chance = Generator(PCG64(7))
    x = chance.uniform(-1, 1, (K, D))
    sums, params = Sums.empty(D), PolicyParams(alpha=peers.ALPHA)

    def ours() -> int:
        for row in x[:PIECE]:
            sums.add(row.tobytes(), 0.5)
            decide("linucb", params, posterior(sums.s, sums.c), x, "some decision")
        return PIECE

    cases: dict[str, Work] = {OURS_BOTH: ours}
    rivals = {"numpy, kept inverse": peers.vectorised(D), "textbook numpy": peers.textbook(D)}
    if not peers.absent("MABWiser"):
        rivals["MABWiser"] = peers.mabwiser(D, K, chance)
    if not peers.absent("river"):
        rivals["river"] = peers.river(D, K, chance)
    for name, (choose, learn) in rivals.items():
        cases[name] = _round(choose, learn, x)
    return cases


def _round(choose: peers.Choose, learn: peers.Learn, x: Array) -> Work:
    def piece() -> int:
        for row in x[:PIECE]:
            learn(row, 0.5)
            choose(x)
        return PIECE

    return piece
