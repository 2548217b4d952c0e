"""Bandits that choose and learn round by round: our policies, and the same ones of MABWiser and Vowpal Wabbit.

Each is given what it is made for: ours the candidates x (k, d) of one shared model, MABWiser the context (f,) for arms
with a model each, Vowpal Wabbit the context, the arms' names and their products (`--interactions ca`), or x when the
arms have attributes.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from benchmarks import peers
from benchmarks.bandit_streams import Stream
from ml.policies.draw import draw_of
from ml.policies.kernel import Array
from ml.policies.params import PolicyParams
from ml.policies.posterior import posterior
from ml.policies.registry import decide
from projections.folds.learning import Sums

ALPHA, NU, EPSILON, FLOOR = 0.5, 0.25, 0.1, 0.05


class Learner(Protocol):
    """A bandit on one stream."""

    def choose(self, at: int) -> int:
        """The arm of a round."""

    def learn(self, at: int, arm: int, reward: float) -> None:
        """What the chosen arm paid."""


Make = Callable[[Stream, int], Learner]
"""A learner that knows nothing yet, with a seed."""


class Ours:
    """A policy on sums, as the fold keeps them."""

    def __init__(self, policy: str, params: PolicyParams, stream: Stream, seed: int) -> None:
        self._policy, self._params, self._stream, self._seed = policy, params, stream, seed
        self._sums = Sums.empty(stream.matrix(0).shape[1])
        self._belief = posterior(self._sums.s, self._sums.c, lam=params.lam)

    def choose(self, at: int) -> int:
        decision_id = f"{self._seed}-{at}"
        return decide(self._policy, self._params, self._belief, self._stream.matrix(at), decision_id).index

    def learn(self, at: int, arm: int, reward: float) -> None:
        self._sums.add(self._stream.matrix(at)[arm].tobytes(), reward)
        self._belief = posterior(self._sums.s, self._sums.c, lam=self._params.lam)


class MABWiser:
    """One of MABWiser's linear policies, by its name there."""

    def __init__(self, policy: str, stream: Stream, seed: int, **params: float) -> None:
        from mabwiser.mab import MAB, LearningPolicy

        rule = getattr(LearningPolicy, policy)(l2_lambda=1.0, **params)
        self._contexts, self._arms = stream.contexts, list(range(stream.rewards.shape[1]))
        self._bandit, self._begun = MAB(arms=self._arms, learning_policy=rule, seed=seed), False
        self._chance = draw_of(f"{seed}")

    def choose(self, at: int) -> int:
        # It wants to have learned before it is asked, so the first round is anybody's.
        if not self._begun:
            return self._chance.below(len(self._arms))
        return int(self._bandit.predict(self._contexts[at : at + 1]))

    def learn(self, at: int, arm: int, reward: float) -> None:
        tell = self._bandit.partial_fit if self._begun else self._bandit.fit
        tell([arm], [reward], self._contexts[at : at + 1])
        self._begun = True


class VowpalWabbit:
    """`--cb_explore_adf`: a linear model by stochastic gradients, epsilon-greedy, its draws from our `Draw`."""

    def __init__(self, stream: Stream, seed: int) -> None:
        from vowpal_wabbit_next import TextFormatParser, Workspace

        flags = ["--cb_explore_adf", "--epsilon", f"{FLOOR}", "--random_seed", f"{seed}", "--quiet"]
        # What it predicts depends on its flags, which its types can't know.
        self._workspace: Any = Workspace([*flags, "--interactions", "ca"] if stream.factors is None else flags)
        self._parser, self._stream, self._seed = TextFormatParser(self._workspace), stream, seed
        self._chances: list[tuple[int, float]] = []

    def choose(self, at: int) -> int:
        self._chances = self._workspace.predict_one(self._examples(at))
        u = draw_of(f"{self._seed}-{at}").uniform()
        upto = np.cumsum([chance for _, chance in self._chances])
        return self._chances[min(int(np.searchsorted(upto, u, side="right")), len(upto) - 1)][0]

    def learn(self, at: int, arm: int, reward: float) -> None:
        label = f"0:{-reward:.6f}:{dict(self._chances)[arm]:.6f} "
        self._workspace.learn_one(self._examples(at, arm, label))

    def _examples(self, at: int, arm: int = -1, label: str = "") -> list[Any]:
        stream = self._stream
        k = stream.rewards.shape[1]
        if stream.factors is None:
            lines = [f"shared |c {_numbers(stream.contexts[at])}"]
            lines += [f"{label if place == arm else ''}|a arm{place}" for place in range(k)]
        else:
            rows = stream.matrix(at)
            lines = [f"{label if place == arm else ''}|x {_numbers(rows[place])}" for place in range(k)]
        return [self._parser.parse_line(line) for line in lines]


def _numbers(row: Array) -> str:
    return " ".join(f"f{place}:{value:.6g}" for place, value in enumerate(row.tolist()))


def _ours(policy: str, params: PolicyParams) -> Make:
    return lambda stream, seed: Ours(policy, params, stream, seed)


def _mabwiser(policy: str, **params: float) -> Make:
    return lambda stream, seed: MABWiser(policy, stream, seed, **params)


COUNTERPARTS = {
    "linucb": "MABWiser LinUCB",
    "lints": "MABWiser LinTS",
    "epsilon_greedy": "MABWiser LinGreedy",
}


def makers() -> dict[str, Make]:
    """All learners that are installed, by name; ours have MABWiser's numbers, and no floor where it has none."""
    found: dict[str, Make] = {
        "linucb": _ours("linucb", PolicyParams(alpha=ALPHA, epsilon=0.0)),
        "lints": _ours("lints", PolicyParams(nu=NU, epsilon=0.0)),
        "epsilon_greedy": _ours("epsilon_greedy", PolicyParams(epsilon=EPSILON)),
        "linucb, floor 0.05": _ours("linucb", PolicyParams(alpha=ALPHA, epsilon=FLOOR)),
        "softmax, floor 0.05": _ours("softmax", PolicyParams(epsilon=FLOOR)),
        "random": _ours("random", PolicyParams()),
    }
    if not peers.absent("MABWiser"):
        found["MABWiser LinUCB"] = _mabwiser("LinUCB", alpha=ALPHA)
        found["MABWiser LinTS"] = _mabwiser("LinTS", alpha=NU)
        found["MABWiser LinGreedy"] = _mabwiser("LinGreedy", epsilon=EPSILON)
    if not peers.absent("vw-next, pre-parsed"):
        found["Vowpal Wabbit, cb_explore_adf"] = VowpalWabbit
    return found
