"""Training rows: the chosen tip's x as it was scored, what came of it and with which propensity it was shown."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.features.vector import Array
from ml.offline.decisions import OfflineDecision


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """n decisions in stream order: `x` (n, d); `reward` (0 without a reaction), `reacted`, `propensity`, `seq` (n,).

    `standings` counts how far the read model was beside the scorer; `left_out` counts by reason the decisions whose
    matrix is not the one that was scored, which nothing is trained on.
    """

    x: Array
    reward: Array
    reacted: NDArray[np.bool_]
    propensity: Array
    seq: NDArray[np.int64]
    decision_ids: tuple[str, ...]
    user_ids: tuple[str, ...]
    standings: dict[str, int]
    left_out: dict[str, int]

    @property
    def window(self) -> tuple[int, int] | None:
        """The first and last sequence of the decisions: what a model card names as its data."""
        return (int(self.seq[0]), int(self.seq[-1])) if self.seq.size else None


def training_rows(decisions: Iterable[OfflineDecision], d: int) -> TrainingRows:
    """The rows of decisions with d features."""
    kept: list[OfflineDecision] = []
    x: list[Array] = []
    standings, left_out = Counter[str](), Counter[str]()
    for decision in decisions:
        if decision.matrix is None or not decision.proven:
            left_out[decision.problem or "another matrix than was scored"] += 1
            continue
        standings[decision.standing] += 1
        kept.append(decision)
        x.append(decision.matrix[decision.chosen])
    return TrainingRows(
        x=np.array(x, dtype=np.float64).reshape(len(kept), d),
        reward=np.array([one.reward or 0.0 for one in kept], dtype=np.float64),
        reacted=np.array([one.reward is not None for one in kept], dtype=np.bool_),
        propensity=np.array([one.propensity for one in kept], dtype=np.float64),
        seq=np.array([one.seq for one in kept], dtype=np.int64),
        decision_ids=tuple(one.decision_id for one in kept),
        user_ids=tuple(one.user_id for one in kept),
        standings=dict(sorted(standings.items())),
        left_out=dict(sorted(left_out.items())),
    )
