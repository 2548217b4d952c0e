"""Streams whose every reward is known, so that any policy can be asked: classifications, and the demo's people.

A classification becomes a bandit the usual way: the classes are the arms, and an arm pays 1 when it is the label
(Bietti, Agarwal, Langford, arXiv:1802.04064). Contexts are standardised over the whole data, which tells nothing of
the labels.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import orjson
from numpy.random import PCG64, Generator

from contracts.events.person import TipScored
from contracts.rewards import OUTCOMES, VERDICTS, reward
from contracts.times import DAY_US, parse_time
from ml.features.definitions import WELLBEING_V1
from ml.features.feature_set import TipAttributes
from ml.features.vector import read_context, tip_factors
from ml.policies.kernel import Array
from services.demo.days import day_of
from services.demo.history import History, Plan
from services.demo.people import people
from services.demo.present import Present
from services.demo.reactions import Heart, Shelf

CLASSIFICATIONS = ("digits", "wine", "breast-cancer")
COMPONENTS = 10
"""Digits' 64 pixels are reduced to as many principal components: ours is one model with d = classes x features."""

START_US = parse_time("2026-01-01T00:00:00Z")


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """n rounds: contexts (n, f), rewards (n, k) with NaN where nobody would react, and whose round each is (n,).

    `factors` (k, d) times a context are the candidates of a shared model; None stands for a block of its own an arm.
    """

    name: str
    contexts: Array
    rewards: Array
    whose: tuple[int, ...]
    factors: Array | None = None

    def matrix(self, at: int) -> Array:
        """The candidates x (k, d) of a round."""
        if self.factors is None:
            return np.kron(np.eye(self.rewards.shape[1]), self.contexts[at])
        matrix: Array = self.factors * self.contexts[at]
        return matrix


def classification(name: str, seed: int, rounds: int) -> Stream:
    """The first rounds of a shuffled data set of scikit-learn."""
    from sklearn import datasets

    load = {"digits": datasets.load_digits, "wine": datasets.load_wine, "breast-cancer": datasets.load_breast_cancer}
    data, labels = load[name](return_X_y=True)
    if name == "digits":
        centred = data - data.mean(axis=0)
        data = centred @ np.linalg.svd(centred, full_matrices=False)[2][:COMPONENTS].T
    contexts = np.hstack([(data - data.mean(axis=0)) / data.std(axis=0), np.ones((len(data), 1))])
    order = Generator(PCG64(seed)).permutation(len(labels))[:rounds]
    rewards = np.eye(labels.max() + 1)[labels[order]]
    return Stream(name, np.ascontiguousarray(contexts[order]), rewards, (0,) * len(order))


def demo(present: Present, seed: int, rounds: int, count: int) -> Stream:
    """The first moments at which simulated people want a tip, each with what they would do about every tip."""
    events = islice(_moments(present, seed, count), rounds)
    everybody = {person.user_id: person for person in people(seed, count)}
    tips = present.state.catalog.active()
    shelf, chance = Shelf.of(tips), Generator(PCG64(seed))
    hearts = {user_id: Heart(person, shelf) for user_id, person in everybody.items()}
    contexts, rewards, whose = [], [], []
    for event in events:
        person = everybody[event.user_id]
        truth = day_of(person, event.occurred_at // DAY_US).truth(event.occurred_at)
        heart = hearts[event.user_id]
        contexts.append(read_context(WELLBEING_V1, event.context).factors)
        rewards.append([_told(heart, utility, chance) for utility in heart.utilities(truth).tolist()])
        whose.append(person.index)
    described = [TipAttributes(tip.tip_id, tip.category, tip.effort, tip.minutes) for tip in tips]
    factors = np.array([tip_factors(WELLBEING_V1, one) for one in described])
    return Stream("demo's people", np.array(contexts), np.array(rewards), tuple(whose), factors)


def _moments(present: Present, seed: int, count: int) -> Iterator[TipScored]:
    history = History(Plan(seed, count, START_US, 365), present, time.time_ns(), "random")
    for message in history.messages():
        if message.subject.startswith("tips.scored."):
            yield TipScored.model_validate(orjson.loads(message.data))


def _told(heart: Heart, utility: float, chance: Generator) -> float:
    """The reward of what the person does about a tip in the end; NaN when they look away."""
    verdict, outcome = None, None
    for reaction in heart.reactions(utility, chance):
        if reaction.action in VERDICTS:
            verdict = reaction.action
        elif reaction.action in OUTCOMES:
            outcome = reaction.action
    return float("nan") if verdict is None and outcome is None else reward(verdict, outcome)
