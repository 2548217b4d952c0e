"""The sums LinUCB learns from, folded in stream order; the scorer's state and the table `bandit_stats` are both this.

Per person and feature set: S = sum of x x^T over pulls, c = sum of r x, pulls and the sum of rewards, in float64. The
first reaction that may be learned is a decision's pull, with its reward so far; a later change only corrects c by the
change of the reward (Li et al. 2010, arXiv 1003.0146, with the prior joined at scoring). Only elementwise sums are
used, so the bytes are reproducible.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from contracts.events.admin import BanditReset
from contracts.feature_sets import CURRENT, DIMENSIONS
from projections.folds.attribution import Join, Step
from projections.folds.changes import Put, Row
from projections.folds.tables import BANDIT_STATS

Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class Sums:
    """S (d, d) and c (d,) of one person and feature set, with the number of pulls and the sum of rewards."""

    s: Floats
    c: Floats
    pulls: int = 0
    reward: float = 0.0

    @classmethod
    def empty(cls, dimensions: int) -> "Sums":
        return cls(np.zeros((dimensions, dimensions)), np.zeros(dimensions))

    def add(self, x: bytes, delta: float, *, first: bool) -> None:
        """Learn a pull (`first`) or a correction: `x` is (d,) float64 bytes, `delta` the change of the reward."""
        vector = np.frombuffer(x, dtype=np.float64)
        if first:
            self.s += np.multiply.outer(vector, vector)
            self.pulls += 1
        self.c += delta * vector
        self.reward += delta


@dataclass(slots=True)
class Person:
    """What was learned of one person; `version` counts the pulls, corrections and resets that changed it."""

    version: int = 0
    reset_seq: int = 0
    sums: dict[str, Sums] = field(default_factory=dict)

    def of(self, feature_set: str) -> Sums:
        """The sums of a feature set, begun empty."""
        if feature_set not in self.sums:
            self.sums[feature_set] = Sums.empty(DIMENSIONS[feature_set])
        return self.sums[feature_set]


@dataclass(slots=True)
class LearningState:
    """Everybody's sums by user id."""

    people: dict[str, Person] = field(default_factory=dict)


def learn(state: LearningState, step: Step) -> str | None:
    """Fold a step's joins or reset into `state`; names the person whose state changed, None when nobody's did.

    Sets `status` and `effect` of each join (`pull`, `correction` or `none`), and `delta` to what a pull has learned.
    """
    changed = None
    for join in step.joins:
        if join.status == "attributed" and _learn_join(state, join):
            changed = join.decision.user_id
    if step.entry is not None and isinstance(step.entry.event, BanditReset):
        changed = step.entry.event.user_id
        person = state.people.setdefault(changed, Person())
        person.reset_seq = step.seq
        person.version += 1
        person.sums = {name: Sums.empty(DIMENSIONS[name]) for name in list(person.sums) or [CURRENT]}
    return changed


def _learn_join(state: LearningState, join: Join) -> bool:
    decision = join.decision
    if decision.external:
        join.status = "external"
        return False
    person = state.people.get(decision.user_id)
    if person is not None and min(decision.seq, join.feedback.seq) < person.reset_seq:
        join.status = "before_reset"
        return False
    pull = not decision.pulled
    if pull:
        # Reactions that waited through a reset were not learned, but the reward holds them.
        decision.pulled, join.delta = True, join.reward
    elif join.delta == 0.0:
        return False
    if person is None:
        person = state.people[decision.user_id] = Person()
    person.of(decision.feature_set).add(decision.x, join.delta, first=pull)
    join.effect = "pull" if pull else "correction"
    person.version += 1
    return True


def stats_rows(user_id: str, person: Person) -> Iterable[Row]:
    """The rows of `bandit_stats` for one person."""
    for feature_set, sums in person.sums.items():
        yield (
            user_id,
            feature_set,
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
