"""The same contextual bandit elsewhere: textbook numpy, and libraries, each trained a little and asked to choose.

The libraries' LinUCB is the disjoint one (a matrix for each arm); ours and the textbook's share one matrix for all
tips, whose attributes are in x (arXiv:1003.0146). What they have to do for a choice is alike.
"""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from numpy.random import Generator

from ml.policies.kernel import Array

ALPHA = 0.5
TRAINED = 300

Choose = Callable[[Array], object]
"""Chooses one of the candidates x (k, d)."""

Learn = Callable[[Array, float], object]
"""Learns that x (d,) was worth a reward."""

PEERS = {"MABWiser": "mabwiser", "river": "river", "vw-next, pre-parsed": "vowpal_wabbit_next"}


def absent(peer: str) -> bool:
    """Whether a peer library is not installed."""
    return find_spec(PEERS[peer]) is None


def textbook(d: int) -> tuple[Choose, Learn]:
    """Algorithm 1 as it is printed: A inverted for each decision, a loop over the candidates."""
    a, b = np.eye(d), np.zeros(d)

    def choose(x: Array) -> int:
        inverse = np.linalg.inv(a)
        theta = inverse @ b
        best, best_score = 0, -np.inf
        for place in range(len(x)):
            score = theta @ x[place] + ALPHA * np.sqrt(x[place] @ inverse @ x[place])
            if score > best_score:
                best, best_score = place, score
        return best

    def learn(x: Array, reward: float) -> None:
        nonlocal a, b
        a += np.outer(x, x)
        b += reward * x

    return choose, learn


def vectorised(d: int) -> tuple[Choose, Learn]:
    """numpy at its best: the inverse kept and updated by Sherman and Morrison, all candidates at once."""
    inverse, b, theta = np.eye(d), np.zeros(d), np.zeros(d)

    def choose(x: Array) -> int:
        return int(np.argmax(x @ theta + ALPHA * np.sqrt(np.einsum("kd,kd->k", x @ inverse, x))))

    def learn(x: Array, reward: float) -> None:
        nonlocal inverse, b, theta
        along = inverse @ x
        inverse -= np.outer(along, along) / (1.0 + x @ along)
        b += reward * x
        theta = inverse @ b

    return choose, learn


def mabwiser(d: int, k: int, chance: Generator) -> tuple[Choose, Learn]:
    """MABWiser's LinUCB, an arm a candidate."""
    from mabwiser.mab import MAB, LearningPolicy

    bandit = MAB(arms=list(range(k)), learning_policy=LearningPolicy.LinUCB(alpha=ALPHA, l2_lambda=1.0))
    arms = chance.integers(0, k, max(TRAINED, 2 * k))
    bandit.fit(arms, chance.normal(size=len(arms)), chance.uniform(-1, 1, (len(arms), d)))

    def learn(x: Array, reward: float) -> None:
        bandit.partial_fit([0], [reward], x[np.newaxis])

    return lambda x: bandit.predict(x[:1]), learn


def river(d: int, k: int, chance: Generator) -> tuple[Choose, Learn]:
    """river's LinUCBDisjoint, an arm a candidate."""
    from river.bandit import LinUCBDisjoint

    bandit = LinUCBDisjoint(alpha=ALPHA, seed=1)
    names, arms = [f"f{place}" for place in range(d)], list(range(k))

    def learn(x: Array, reward: float, arm: int = 0) -> None:
        bandit.update(arm, dict(zip(names, x.tolist(), strict=True)), reward)

    for _ in range(TRAINED):
        learn(chance.uniform(-1, 1, d), float(chance.normal()), int(chance.integers(k)))
    return lambda x: bandit.pull(arms, context=dict(zip(names, x[0].tolist(), strict=True))), learn


def vowpal(x: Array) -> tuple[Choose, Learn]:
    """vowpal-wabbit-next's contextual bandit with action features (not LinUCB); its examples are parsed beforehand."""
    from vowpal_wabbit_next import TextFormatParser, Workspace

    workspace = Workspace(["--cb_explore_adf", "--epsilon", "0.05", "--quiet"])
    parser = TextFormatParser(workspace)

    def line(row: Array, label: str = "") -> str:
        return label + "| " + " ".join(f"f{place}:{value:.4f}" for place, value in enumerate(row))

    asked = [parser.parse_line(line(row)) for row in x]
    told = [parser.parse_line(line(row, "0:-0.5:0.25 " if place == 0 else "")) for place, row in enumerate(x)]
    for _ in range(TRAINED):
        workspace.learn_one(told)
    return lambda _: workspace.predict_one(asked), lambda _, __: workspace.learn_one(told)
