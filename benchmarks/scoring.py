"""Choosing in process, d = 16: decisions a second of our policy, our whole decision, textbook numpy and libraries."""

import time
from collections.abc import Callable

import numpy as np
from numpy.random import PCG64, Generator

from benchmarks import peers
from benchmarks.catalogue import begun_state, context_at
from benchmarks.figures import Figures, times
from benchmarks.measure import Work, in_turns, ratio
from benchmarks.options import Options
from ml.policies.decision import Decider, ScoringCall
from ml.policies.kernel import Array, floor, upper_bounds
from ml.policies.params import PolicyParams
from ml.policies.posterior import posterior
from ml.policies.registry import decide

D = 16
CANDIDATES = (20, 50, 100)
PIECE = 20
OURS = "tipstream: scores, choice, propensities"
"""What a library's `predict` is compared with."""

TARGETS = {"MABWiser": 30.0, "river": 100.0, "vw-next, pre-parsed": 10.0}


async def run(options: Options) -> list[Figures]:
    """One table; ratios say how many times as fast ours is."""
    figures = Figures(
        "scoring",
        f"Scoring in process, d = {D}: decisions a second",
        ("what", *(f"k = {k}" for k in CANDIDATES), *(f"ours / it, k = {k}" for k in CANDIDATES)),
    )
    rates: list[dict[str, list[float]]] = []
    for k in CANDIDATES:
        rates.append(await in_turns(_cases(k), turns=options.turns, slice_s=options.slice_s))
    for name in rates[0]:
        medians = [float(np.median(one[name])) for one in rates]
        ratios = [ratio(one, OURS, name) for one in rates]
        figures.add(name, *medians, *map(times, ratios))
        if name in TARGETS and min(ratios) < TARGETS[name]:
            figures.notes.append(f"MISSED {name}: {times(min(ratios))}, wanted {times(TARGETS[name])}")
    for peer in filter(peers.absent, peers.PEERS):
        figures.skip(peer, "not installed (extra `bench`)")
    return [figures]


def _cases(k: int) -> dict[str, Work]:
    chance = Generator(PCG64(7))
    x = chance.uniform(-1, 1, (k, D))
    past = chance.uniform(-1, 1, (peers.TRAINED, D))
    rewards = chance.normal(0, 0.5, peers.TRAINED)
    belief = posterior(past.T @ past, rewards @ past)
    params = PolicyParams(alpha=peers.ALPHA)

    def kernel() -> None:
        floor(upper_bounds(x, belief.theta, belief.root, peers.ALPHA)[2], 0.05)

    cases: dict[str, Work] = {
        OURS: _many(kernel),
        "tipstream: the same with its draw": _many(lambda: decide("linucb", params, belief, x, "some decision")),
        "tipstream: from context to event": _whole(k),
    }
    for name, (choose, learn) in {
        "numpy, kept inverse": peers.vectorised(D),
        "textbook numpy": peers.textbook(D),
    }.items():
        for row, reward in zip(past, rewards, strict=True):
            learn(row, float(reward))
        cases[name] = _many(_asking(choose, x))
    if not peers.absent("MABWiser"):
        cases["MABWiser"] = _many(_asking(peers.mabwiser(D, k, chance)[0], x))
    if not peers.absent("river"):
        cases["river"] = _many(_asking(peers.river(D, k, chance)[0], x))
    if not peers.absent("vw-next, pre-parsed"):
        cases["vw-next, pre-parsed"] = _many(_asking(peers.vowpal(x)[0], x))
    return cases


def _asking(choose: peers.Choose, x: Array) -> Callable[[], object]:
    return lambda: choose(x)


def _many(once: Callable[[], object]) -> Work:
    def piece() -> int:
        for _ in range(PIECE):
            once()
        return PIECE

    return piece


def _whole(k: int) -> Work:
    """Everything between a call and its event: context, matrix, digest, posterior, choice, TipScored."""
    state, tip_ids = begun_state(k)
    decider, now_us = Decider(), time.time_ns() // 1000
    context = context_at(now_us)
    call = ScoringCall("some decision", "somebody", "linucb", tip_ids)
    return _many(lambda: decider.decide(state, call, decider.read(context, now_us), now_us))
