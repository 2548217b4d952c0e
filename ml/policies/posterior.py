"""What is believed about one person: the ridge estimate that their sums and the prior imply."""

from dataclasses import dataclass

import numpy as np

from contracts.errors import TipstreamError
from ml.policies import kernel
from ml.policies.kernel import Array


class SumsError(TipstreamError):
    """A person's sums give no estimate, being broken or of another feature set. Rebuild the projection."""


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """What a promoted model knows before a person's own pulls: A0 (d, d), positive definite, and b0 (d,)."""

    a: Array
    b: Array


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """theta = A^-1 b (d,) and root = L^-1 (d, d), where A = L L'; `lam` is None under a model's prior."""

    theta: Array
    root: Array
    lam: float | None

    @property
    def inverse(self) -> Array:
        """A^-1 (d, d), the posterior covariance for unit noise."""
        inverse: Array = self.root.T @ self.root
        return inverse


def posterior(s: Array, c: Array, *, lam: float = 1.0, prior: Prior | None = None) -> Posterior:
    """The estimate from the sums S = Σ x x' (d, d) and c = Σ r x (d,), never from an earlier estimate.

    A = A0 + S and b = b0 + c; without a prior A0 is lam I and b0 is 0. Only the lower
    triangle of S counts. Raises SumsError.
    """
    d = len(c)
    if s.shape != (d, d) or (prior is not None and (prior.a.shape != (d, d) or prior.b.shape != (d,))):
        raise SumsError(f"the sums and the prior differ in shape: S {s.shape}, c {c.shape}")
    if prior is None:
        a, b = np.array(s, dtype=np.float64, order="C"), np.array(c, dtype=np.float64)
        a.flat[:: d + 1] += lam
    else:
        a, b = np.array(prior.a + s, order="C"), prior.b + c
    definite, root, theta = kernel.factorise(a, b)
    if not (definite and np.isfinite(root).all() and np.isfinite(theta).all()):
        raise SumsError("the sums are not finite or not positive definite")
    return Posterior(theta, root, lam if prior is None else None)
