"""The reward model of DM and DR: ridge regression of the reward on the x of the tip shown.

    θ = (I + Σ x x')^-1 Σ r x

Cross-fitted (Chernozhukov et al.: Double/debiased machine learning, Econometrics Journal 21, 2018): a decision is
judged by the θ of the other folds, so that no reward predicts itself.
"""

import numpy as np

from ml.evaluation.evidence import FOLDS, Array, Evidence

RIDGE = 1.0


def cross_fitted(evidence: Evidence) -> Array:
    """θ (F, d) of each fold, learned from all the others."""
    gram, moment = evidence.gram.sum(axis=0), evidence.moment.sum(axis=0)
    return np.stack([_ridge(gram - evidence.gram[fold], moment - evidence.moment[fold]) for fold in range(FOLDS)])


def prediction_variance(evidence: Evidence, x: Array) -> float:
    """Variance of θ·x (x is (d,)) over other rewards of the same decisions, θ being learned from all of them.

    σ² x' B G B x with G = Σ x x', B = (I + G)^-1 and σ² the mean squared residual.
    """
    gram, moment = evidence.gram.sum(axis=0), evidence.moment.sum(axis=0)
    theta = _ridge(gram, moment)
    residual = evidence.reward_squared - 2.0 * theta @ moment + theta @ gram @ theta
    towards = np.linalg.solve(gram + RIDGE * np.eye(len(x)), x)
    return float(max(residual, 0.0) / max(evidence.n - 1, 1) * (towards @ gram @ towards))


def _ridge(gram: Array, moment: Array) -> Array:
    return np.linalg.solve(gram + RIDGE * np.eye(len(moment)), moment).astype(np.float64, copy=False)
