"""The sums LinUCB learns from, folded in stream order; the scorer's state and the table `bandit_stats` are both this.

Per person and feature set: S = sum of x x^T over pulls, c = sum of r x, pulls and the sum of rewards, in float64. The
first reaction that may be learned is a decision's pull, with its reward so far; a later change only corrects c by the
change of the reward (Li et al. 2010, arXiv 1003.0146, with the prior joined at scoring). Only elementwise sums are
used, so the bytes are reproducible.

For each forgetting factor gamma below 1 that a policy was ever given, sums that fade are kept beside them: a pull first
multiplies S and c by gamma, and a correction of a pull j pulls ago adds gamma^j of the change (Russac, Vernade, Cappé,
arXiv 1909.09146, eq. 2, counting a person's own pulls as time).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from contracts.events.admin import BanditReset
from contracts.feature_sets import CURRENT, DIMENSIONS
from projections.folds.attribution import Join, Step
from projections.folds.changes import Put, Row
from projections.folds.tables import BANDIT_STATS

Floats = npt.NDArray[np.float64]

LEAST_GAMMA = 0.5
"""The smallest forgetting factor; with it a pull counts for all the earlier ones together."""


@dataclass(slots=True)
class Sums:
    """S (d, d) and c (d,) of one person and feature set, with the number of pulls and the sum of rewards.

    Pulls up to number `begun` weigh alike, since the sums began to fade only then; the sum of rewards never fades.
    """

    s: Floats
    c: Floats
    pulls: int = 0
    reward: float = 0.0
    begun: int = 0

    @classmethod
    def empty(cls, dimensions: int) -> "Sums":
        return cls(np.zeros((dimensions, dimensions)), np.zeros(dimensions))

    def copy(self) -> "Sums":
        """The same sums, to fade from here on."""
        return Sums(self.s.copy(), self.c.copy(), self.pulls, self.reward, self.pulls)

    def add(self, x: bytes, delta: float, *, pulled: int = 0, gamma: float = 1.0) -> None:
        """Learn a pull, or a correction of pull number `pulled`: `x` is (d,) float64 bytes, `delta` of the reward."""
        vector, weight = np.frombuffer(x, dtype=np.float64), 1.0
        if not pulled:
            if gamma != 1.0:
                self.s *= gamma
                self.c *= gamma
            self.s += np.multiply.outer(vector, vector)
            self.pulls += 1
        elif gamma != 1.0:
            weight = power(gamma, self.pulls - max(pulled, self.begun))
        self.c += weight * delta * vector
        self.reward += delta


def power(gamma: float, exponent: int) -> float:
    """gamma^exponent, exponent >= 0, by multiplications alone: the C library's may differ from machine to machine."""
    result, square = 1.0, gamma
    while exponent:
        if exponent & 1:
            result *= square
        square *= square
        exponent >>= 1
    return result


@dataclass(slots=True)
class Person:
    """What was learned of one person; `version` counts the pulls, corrections and resets that changed it.

    `sums` are those of a feature set, `faded` the same by gamma below 1, once something was learned under it.
    """

    version: int = 0
    reset_seq: int = 0
    sums: dict[str, Sums] = field(default_factory=dict)
    faded: dict[str, dict[float, Sums]] = field(default_factory=dict)

    def of(self, feature_set: str) -> Sums:
        """The sums of a feature set, begun empty."""
        if feature_set not in self.sums:
            self.sums[feature_set] = Sums.empty(DIMENSIONS[feature_set])
        return self.sums[feature_set]

    def at(self, feature_set: str, gamma: float) -> Sums | None:
        """The sums under a gamma; until it is first learned under, nothing has faded."""
        return self.faded.get(feature_set, {}).get(gamma) or self.sums.get(feature_set)

    def learn(self, feature_set: str, x: bytes, delta: float, *, pulled: int = 0, gammas: Sequence[float] = ()) -> int:
        """Learn a pull, or a correction of pull number `pulled`, under each gamma and without; the pull's number."""
        plain = self.of(feature_set)
        for gamma in gammas:
            faded = self.faded.setdefault(feature_set, {})
            if gamma not in faded:
                faded[gamma] = plain.copy()
            faded[gamma].add(x, delta, pulled=pulled, gamma=gamma)
        plain.add(x, delta, pulled=pulled)
        return pulled or plain.pulls

    def forget(self) -> None:
        """Begin again with nothing."""
        self.sums = {name: Sums.empty(DIMENSIONS[name]) for name in list(self.sums) or [CURRENT]}
        self.faded = {
            name: {gamma: Sums.empty(DIMENSIONS[name]) for gamma in faded} for name, faded in self.faded.items()
        }


@dataclass(slots=True)
class LearningState:
    """Everybody's sums by user id."""

    people: dict[str, Person] = field(default_factory=dict)


def learn(state: LearningState, step: Step, gammas: Sequence[float] = ()) -> str | None:
    """Fold a step's joins or reset into `state`; names the person whose state changed, None when nobody's did.

    `gammas` are the forgetting factors below 1 that policies were given so far.
    Sets `status` and `effect` of each join (`pull`, `correction` or `none`), and `delta` to what a pull has learned.
    """
    changed = None
    for join in step.joins:
        if join.status == "attributed" and _learn_join(state, join, gammas):
            changed = join.decision.user_id
    if step.entry is not None and isinstance(step.entry.event, BanditReset):
        changed = step.entry.event.user_id
        person = state.people.setdefault(changed, Person())
        person.reset_seq = step.seq
        person.version += 1
        person.forget()
    return changed


def _learn_join(state: LearningState, join: Join, gammas: Sequence[float]) -> bool:
    decision = join.decision
    if decision.external:
        join.status = "external"
        return False
    person = state.people.get(decision.user_id)
    if person is not None and min(decision.seq, join.feedback.seq) < person.reset_seq:
        join.status = "before_reset"
        return False
    if not decision.pulled:
        # Reactions that waited through a reset were not learned, but the reward holds them.
        join.delta = join.reward
    elif join.delta == 0.0:
        return False
    if person is None:
        person = state.people[decision.user_id] = Person()
    join.effect = "correction" if decision.pulled else "pull"
    decision.pulled = person.learn(decision.feature_set, decision.x, join.delta, pulled=decision.pulled, gammas=gammas)
    person.version += 1
    return True


def stats_rows(user_id: str, person: Person) -> Iterable[Row]:
    """The rows of `bandit_stats` for one person."""
    for feature_set, plain in person.sums.items():
        for gamma, sums in {1.0: plain, **person.faded.get(feature_set, {})}.items():
            yield (
                user_id,
                feature_set,
                gamma,
                sums.pulls,
                sums.reward,
                person.version,
                person.reset_seq,
                sums.s.tobytes(),
                sums.c.tobytes(),
            )


def stats_changes(state: LearningState, changed: str | None) -> Iterable[Put]:
    """The rows to put after a step changed somebody's state."""
    if changed is None:
        return ()
    return (Put(BANDIT_STATS, row) for row in stats_rows(changed, state.people[changed]))
