"""What a log says about a policy that did not make it, folded into sums of fixed size, however long the log is.

A reward model that is linear in x lets every estimator be written in such sums: decisions are looked at once and are
not kept.
"""

from dataclasses import dataclass, field
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from contracts.errors import TipstreamError

Array: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

FOLDS = 5
SWITCH_AT = 10.0
"""The weight above which switch-DR trusts the reward model alone."""


class EvidenceError(TipstreamError):
    """Logged decisions cannot be used as they are: an array has another length, or holds what is no number."""


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """n logged decisions in the log's order, and what the target policy would have done in their place.

    `reward`, `logged` and `target` are (n,): the reward, and the propensity of the tip that was shown under the log and
    under the target. `x` (n, d) is that tip's row; `expected_x` (n, d) the mean row of all candidates under the target.
    `unsupported` (n,) is the target's chance of candidates that the log could never show. `uniform` (n,): every
    candidate was as likely; `agrees` (n,): a choice drawn from the target, independent of the log's, is the tip shown.
    """

    reward: Array
    logged: Array
    target: Array
    x: Array
    expected_x: Array
    unsupported: Array
    uniform: Flags
    agrees: Flags

    def __post_init__(self) -> None:
        n = len(self.reward)
        if self.x.ndim != 2 or self.x.shape != self.expected_x.shape or len(self.x) != n:
            raise EvidenceError(f"x and expected_x must be ({n}, d), they are {self.x.shape}, {self.expected_x.shape}")
        for name in ("reward", "logged", "target", "unsupported", "uniform", "agrees"):
            if getattr(self, name).shape != (n,):
                raise EvidenceError(f"{name} must be ({n},), it is {getattr(self, name).shape}")
        for name in ("reward", "logged", "target", "unsupported", "x", "expected_x"):
            if not np.isfinite(getattr(self, name)).all():
                raise EvidenceError(f"{name} holds what is no finite number")

    @property
    def weights(self) -> Array:
        """target / logged (n,); 0 where the log says that what it showed was impossible."""
        possible = self.logged > 0.0
        return np.divide(self.target, self.logged, out=np.zeros(len(self.logged)), where=possible)


@dataclass(slots=True, eq=False)
class Terms:
    """Sums, a fold each, of terms t = w r + θ·(expected_x - w x) for a θ that is known only later.

    With a = w r and z = expected_x - w x: `a` Σ a (F,), `aa` Σ a² (F,), `z` Σ z (F, d), `az` Σ a z (F, d), `zz` Σ z z'
    (F, d, d).
    """

    a: Array
    aa: Array
    z: Array
    az: Array
    zz: Array

    @classmethod
    def empty(cls, d: int) -> Self:
        return cls(np.zeros(FOLDS), np.zeros(FOLDS), np.zeros((FOLDS, d)), np.zeros((FOLDS, d)), _squares(d))

    def add(self, fold: int, a: Array, z: Array) -> None:
        """Take in the terms of one fold: a (m,), z (m, d)."""
        self.a[fold] += a.sum()
        self.aa[fold] += (a * a).sum()
        self.z[fold] += z.sum(axis=0)
        self.az[fold] += np.einsum("n,ni->i", a, z)
        self.zz[fold] += np.einsum("ni,nj->ij", z, z)

    def moments(self, theta: Array) -> tuple[float, float]:
        """Σ t and Σ t² with each fold's own θ (F, d)."""
        first = self.a.sum() + np.einsum("fi,fi->", theta, self.z)
        second = self.aa.sum() + 2.0 * np.einsum("fi,fi->", theta, self.az)
        second += np.einsum("fi,fij,fj->", theta, self.zz, theta)
        return float(first), float(second)


@dataclass(slots=True, eq=False)
class Evidence:
    """All sums of a log for one target policy; x has `d` entries.

    `gram` Σ x x' (F, d, d) and `moment` Σ r x (F, d) are the reward model's; the others are sums over all decisions.
    Decisions are dealt to the folds in turn.
    """

    d: int
    n: int = 0
    reward: float = 0.0
    reward_squared: float = 0.0
    weight: float = 0.0
    weight_squared: float = 0.0
    weight_squared_reward: float = 0.0
    weight_squared_reward_squared: float = 0.0
    largest_weight: float = 0.0
    unsupported: float = 0.0
    impossible: int = 0
    uniform: int = 0
    matched: int = 0
    matched_reward: float = 0.0
    matched_reward_squared: float = 0.0
    gram: Array = field(init=False)
    moment: Array = field(init=False)
    direct: Terms = field(init=False)
    robust: Terms = field(init=False)
    switched: Terms = field(init=False)

    def __post_init__(self) -> None:
        self.gram, self.moment = _squares(self.d), np.zeros((FOLDS, self.d))
        self.direct, self.robust, self.switched = (Terms.empty(self.d) for _ in range(3))

    def add(self, decisions: Decisions) -> None:
        """Take in the next decisions of the log. Raises EvidenceError."""
        if decisions.x.shape[1] != self.d:
            raise EvidenceError(f"x has {decisions.x.shape[1]} entries, the evidence has {self.d}")
        r, w = decisions.reward, decisions.weights
        matched = decisions.uniform & decisions.agrees
        self.reward += float(r.sum())
        self.reward_squared += float((r * r).sum())
        self.weight += float(w.sum())
        self.weight_squared += float((w * w).sum())
        self.weight_squared_reward += float((w * w * r).sum())
        self.weight_squared_reward_squared += float((w * w * r * r).sum())
        self.largest_weight = max(self.largest_weight, float(w.max(initial=0.0)))
        self.unsupported += float(decisions.unsupported.sum())
        self.impossible += int((decisions.logged <= 0.0).sum())
        self.uniform += int(decisions.uniform.sum())
        self.matched += int(matched.sum())
        self.matched_reward += float(r[matched].sum())
        self.matched_reward_squared += float((r[matched] ** 2).sum())
        for fold in range(FOLDS):
            self._add_fold(fold, decisions, r, w)
        self.n += len(r)

    def _add_fold(self, fold: int, decisions: Decisions, r: Array, w: Array) -> None:
        chosen = slice((fold - self.n) % FOLDS, None, FOLDS)
        x, expected, r, w = decisions.x[chosen], decisions.expected_x[chosen], r[chosen], w[chosen]
        # Not BLAS: the order of its sums depends on the number of its threads.
        self.gram[fold] += np.einsum("ni,nj->ij", x, x)
        self.moment[fold] += np.einsum("n,ni->i", r, x)
        for terms, weight in (
            (self.direct, np.zeros(len(w))),
            (self.robust, w),
            (self.switched, np.where(w <= SWITCH_AT, w, 0.0)),
        ):
            terms.add(fold, weight * r, expected - weight[:, None] * x)


def _squares(d: int) -> Array:
    return np.zeros((FOLDS, d, d))
