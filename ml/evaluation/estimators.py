"""Estimators of what a target policy would have earned a decision, from a log that other policies made.

Everywhere r is the reward, w = π(a|x) / p the weight of the tip shown (π the target's propensity, p the logged one),
q(x, a) = θ·x_a the reward model of the decision's fold, and q(x, π) = Σ_a π(a|x) q(x, a). Each needs two decisions.
"""

from ml.evaluation.estimate import Estimate
from ml.evaluation.evidence import Evidence, Terms
from ml.evaluation.reward_model import cross_fitted, prediction_variance


def on_policy(evidence: Evidence) -> Estimate:
    """What the log itself earned: the mean of r."""
    return Estimate.mean(evidence.reward, evidence.reward_squared, evidence.n)


def replay(evidence: Evidence) -> Estimate:
    """The replay method: the mean of r where the target chooses what a uniform log has shown.

        Σ r 1[a = π(x)] / Σ 1[a = π(x)]

    Li, Chu, Langford, Wang: Unbiased offline evaluation of contextual-bandit-based news article recommendation
    algorithms, WSDM 2011, arXiv:1003.5956. The target's choice is drawn independently of the log's. Needs two matches.
    """
    return Estimate.mean(evidence.matched_reward, evidence.matched_reward_squared, evidence.matched)


def ips(evidence: Evidence) -> Estimate:
    """Inverse propensity scoring: the mean of w r.

        (1/n) Σ w r

    Horvitz, Thompson: A generalization of sampling without replacement from a finite universe, JASA 47, 1952; for
    policies Strehl, Langford, Li, Kakade: Learning from logged implicit exploration data, NIPS 2010, arXiv:1003.0120.
    """
    return Estimate.mean(float(evidence.robust.a.sum()), float(evidence.robust.aa.sum()), evidence.n)


def snips(evidence: Evidence) -> Estimate:
    """Self-normalised IPS: the weighted mean of r.

        v = Σ w r / Σ w,   var = Σ w² (r - v)² / (Σ w)²

    Swaminathan, Joachims: The self-normalized estimator for counterfactual learning, NIPS 2015. The variance is that
    of a ratio by the delta method (Owen: Monte Carlo theory, methods and examples, 2013, eq. 9.9).
    """
    total = evidence.weight
    value = float(evidence.robust.a.sum()) / total
    squares = evidence.weight_squared_reward_squared
    squares += value * (value * evidence.weight_squared - 2.0 * evidence.weight_squared_reward)
    return Estimate.of(value, squares / total**2, evidence.n)


def dm(evidence: Evidence) -> Estimate:
    """The direct method: what the reward model expects of the target.

        (1/n) Σ q(x, π)

    Beygelzimer, Langford: The offset tree for learning with partial labels, KDD 2009, arXiv:0812.4044. The interval
    holds the doubt about contexts and about θ, but not that rewards may not be linear in x at all.
    """
    return _trusting(evidence, evidence.direct)


def dr(evidence: Evidence) -> Estimate:
    """Doubly robust: the direct method, with the weighted error of the model taken off.

        (1/n) Σ q(x, π) + w (r - q(x, a))

    Dudík, Langford, Li: Doubly robust policy evaluation and learning, ICML 2011, arXiv:1103.4601.
    """
    return _modelled(evidence, evidence.robust)


def switch_dr(evidence: Evidence) -> Estimate:
    """DR that trusts the model alone where the weight is above τ (`evidence.SWITCH_AT`).

        (1/n) Σ q(x, π) + w 1[w <= τ] (r - q(x, a))

    Wang, Agarwal, Dudík: Optimal and adaptive off-policy evaluation in contextual bandits, ICML 2017, arXiv:1612.01205.
    The interval holds what DM's holds, and no more.
    """
    return _trusting(evidence, evidence.switched)


def _modelled(evidence: Evidence, terms: Terms) -> Estimate:
    return Estimate.mean(*terms.moments(cross_fitted(evidence)), evidence.n)


def _trusting(evidence: Evidence, terms: Terms) -> Estimate:
    """With the doubt about θ where weights do not take it off."""
    found = _modelled(evidence, terms)
    left = prediction_variance(evidence, terms.z.sum(axis=0) / evidence.n)
    return Estimate.of(found.value, found.stderr**2 + left, evidence.n)
