"""What everybody's reactions say before anybody's own: A0 and b0, weighing as much as kappa pulls.

    A0 = λ I + (κ/n) Σ x x',   b0 = (κ/n) Σ r x      over the n decisions that got a reaction

The power prior of linear regression with the discount κ/n (Ibrahim, Chen: Power prior distributions for regression
models, Statistical Science 15, 2000). κ is chosen as empirical Bayes chooses a prior's strength, by how well it
foretells (Efron, Morris: Data analysis using Stein's estimator, JASA 70, 1975): each person's reactions one after the
other, before each is learned (Dawid: Statistical theory, the prequential approach, JRSS A 147, 1984), under a prior
made of other people's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.evaluation.evidence import Array
from ml.pipelines.rows import Rows
from ml.registry.registry import StoredPrior, digest_of

LAMBDA = 1.0
KAPPAS = (1.0, 3.0, 10.0, 30.0, 100.0)
FOLDS = 5
MOST_PEOPLE = 300
MOST_PULLS = 30


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A0 (d, d) and b0 (d,) with the strength κ that was chosen; `errors` is the mean squared error of each κ tried.

    κ = 0 is the neutral prior, which knows nothing; `reactions` is n. `errors` is empty where nobody could be foretold
    from other people.
    """

    feature_set: str
    a0: Array
    b0: Array
    kappa: float
    reactions: int
    errors: dict[float, float]

    def stored(self) -> StoredPrior:
        """The prior as the registry keeps it, under its digest."""
        return StoredPrior(self.feature_set, digest_of(self.a0, self.b0), self.a0, self.b0)


def power_prior(x: Array, r: Array, kappa: float) -> tuple[Array, Array]:
    """A0 (d, d) and b0 (d,) of x (n, d) and r (n,); the neutral prior for no row or κ = 0."""
    d = x.shape[1]
    share = kappa / len(r) if len(r) else 0.0
    # Not BLAS: the order of its sums depends on the number of its threads.
    gram, moment = np.einsum("ni,nj->ij", x, x), np.einsum("n,ni->i", r, x)
    return LAMBDA * np.eye(d) + share * gram, share * moment


def fit(rows: Rows, seed: int) -> Fit:
    """The prior of all rows with a reaction; `seed` deals people to folds for the choice of κ."""
    x, r = rows.x[rows.reacted], rows.reward[rows.reacted]
    errors = _foretold(rows, seed)
    kappa = min(KAPPAS, key=lambda one: errors[one]) if errors else KAPPAS[0]
    return Fit(rows.feature_set, *power_prior(x, r, kappa), kappa, len(r), errors)


def progressive_errors(rows: Rows, priors: Sequence[tuple[Array, Array]], *, most: int | None = None) -> Array:
    """Squared errors (n, len(priors)) of each reaction foretold before it is learned; NaN where there was none.

    Every person starts from the prior alone; those beyond their first `most` reactions stay NaN.
    """
    a0, b0 = np.stack([a for a, _ in priors]), np.stack([b for _, b in priors])
    errors = np.full((len(rows), len(priors)), np.nan)
    known: dict[int, tuple[Array, Array, int]] = {}
    for at in np.flatnonzero(rows.reacted):
        person, x, r = int(rows.person[at]), rows.x[at], rows.reward[at]
        a, b, pulls = known.get(person) or (a0.copy(), b0.copy(), 0)
        if most is not None and pulls >= most:
            continue
        theta = np.linalg.solve(a, b[..., None])[..., 0]
        errors[at] = (theta @ x - r) ** 2
        a += np.multiply.outer(x, x)
        b += r * x
        known[person] = (a, b, pulls + 1)
    return errors


def _foretold(rows: Rows, seed: int) -> dict[float, float]:
    """The mean squared error of each κ, over people whom the prior was not made of; empty where there are none."""
    people = np.unique(rows.person)
    dealt = np.random.default_rng(seed).permutation(people)
    folds = min(FOLDS, len(people))
    strengths = (0.0, *KAPPAS)
    squares, n = np.zeros(len(strengths)), 0
    for fold in range(folds):
        theirs = dealt[fold::folds]
        others = rows.reacted & ~np.isin(rows.person, theirs)
        if not others.any():
            continue
        x, r = rows.x[others], rows.reward[others]
        priors = [power_prior(x, r, kappa) for kappa in strengths]
        asked = np.isin(rows.person, theirs[: max(MOST_PEOPLE // folds, 1)])
        found = progressive_errors(rows.only(asked), priors, most=MOST_PULLS)
        seen = ~np.isnan(found[:, 0])
        squares += found[seen].sum(axis=0)
        n += int(seen.sum())
    return {kappa: float(square / n) for kappa, square in zip(strengths, squares, strict=True)} if n else {}
