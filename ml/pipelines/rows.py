"""The decisions that a prior is fitted on, as the offline store makes them again."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from contracts.errors import TipstreamError
from contracts.feature_sets import DIMENSIONS
from ml.evaluation.evidence import Array, Flags
from ml.offline.decisions import OfflineDecision
from ml.pipelines.segments import labels_of

HELD_OUT = 0.2
"""The share of the latest decisions that a model is judged on and not fitted on."""

MIN_REACTIONS = 50
"""Before the held-out decisions."""


class TooLittle(TipstreamError):
    """The log has too few decisions with a reaction to fit a prior on; wait, or take young ones too."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """n decisions of ours in the log's order; `x` (n, d) is the row of the tip shown, the others are (n,).

    `person` numbers people as they come and names nobody. `reward` is what the reactions so far come to, 0 where
    `reacted` is false. `labels` are the groups of `segments.labels_of`; `occurred_us` is in microseconds since 1970.
    `left_out` counts decisions whose matrix is not, bit for bit, the one that was scored: nothing is fitted on them.
    `erased_upto` is the last receipt of an erasure that was done before the log was read.
    """

    feature_set: str
    seq: Array
    person: Array
    occurred_us: Array
    x: Array
    reward: Array
    propensity: Array
    reacted: Flags
    labels: tuple[tuple[str, ...], ...]
    left_out: int = 0
    erased_upto: int = 0

    def __len__(self) -> int:
        return len(self.seq)

    @property
    def cut(self) -> int:
        """Where the held-out decisions begin."""
        return _cut(len(self))

    def only(self, chosen: Flags) -> "Rows":
        """The decisions where `chosen` (n,) is true."""
        return replace(
            self,
            seq=self.seq[chosen],
            person=self.person[chosen],
            occurred_us=self.occurred_us[chosen],
            x=self.x[chosen],
            reward=self.reward[chosen],
            propensity=self.propensity[chosen],
            reacted=self.reacted[chosen],
            labels=tuple(label for label, kept in zip(self.labels, chosen, strict=True) if kept),
        )

    @property
    def fitted_on(self) -> "Rows":
        """The decisions before the held-out ones."""
        return self.only(np.arange(len(self)) < self.cut)

    def digest(self) -> str:
        """SHA-256 over all of it."""
        found = hashlib.sha256(repr((self.feature_set, self.labels)).encode())
        for array in (self.seq, self.person, self.occurred_us, self.x, self.reward, self.propensity, self.reacted):
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()


def rows_of(decisions: Iterable[OfflineDecision], feature_set: str, segment: str, before_us: int | None) -> Rows:
    """The rows of decisions recorded before `before_us` (None: of all). Raises TooLittle."""
    kept: list[OfflineDecision] = []
    x: list[Array] = []
    young = left_out = 0
    for decision in decisions:
        if before_us is not None and decision.recorded_us > before_us:
            young += 1
        elif decision.matrix is None or not decision.proven:
            left_out += 1
        else:
            kept.append(decision)
            x.append(decision.matrix[decision.chosen])
    reactions = sum(one.reward is not None for one in kept[: _cut(len(kept))])
    if reactions < MIN_REACTIONS:
        raise TooLittle(
            f"{reactions} decisions with a reaction can be used and at least {MIN_REACTIONS} are needed before the "
            f"latest fifth, which is for judging; {young:,} are younger than 24 h of stream time (--young takes them "
            f"too), {left_out:,} cannot be made again"
        )
    people = {user_id: at for at, user_id in enumerate(dict.fromkeys(one.user_id for one in kept))}
    return Rows(
        feature_set=feature_set,
        seq=np.array([one.seq for one in kept], dtype=np.float64),
        person=np.array([people[one.user_id] for one in kept], dtype=np.float64),
        occurred_us=np.array([one.occurred_at for one in kept], dtype=np.float64),
        x=np.array(x).reshape(len(kept), DIMENSIONS[feature_set]),
        reward=np.array([one.reward or 0.0 for one in kept]),
        propensity=np.array([one.propensity for one in kept]),
        reacted=np.array([one.reward is not None for one in kept], dtype=np.bool_),
        labels=tuple(labels_of(one, segment) for one in kept),
        left_out=left_out,
    )


def _cut(n: int) -> int:
    return n - int(n * HELD_OUT)
