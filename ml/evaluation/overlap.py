"""How much of what a target policy would do stands in a log at all, and when a log cannot answer.

Effective sample size: n_eff = (Σ w)² / Σ w² decisions under the target itself would say as much (Kish: Survey sampling,
1965). Where log and target overlap, the mean weight is 1 but for chance.
"""

from dataclasses import dataclass
from math import sqrt

from ml.evaluation.evidence import Evidence

MIN_DECISIONS = 100
MIN_EFFECTIVE = 100.0
MAX_UNSUPPORTED = 0.01
MIN_MATCHED = 100
LOW_SHARE = 0.1
OFF_BY = 0.1
OFF_BY_ERRORS = 4.0


@dataclass(frozen=True, slots=True)
class Overlap:
    """Diagnostics of the weights: `effective` is n_eff, `effective_share` its share of the decisions.

    `unsupported` is the share of the target's choices that the log could never show, `impossible` how many decisions
    were logged with propensity 0, `uniform` and `matched` those that the replay method may use and does.
    """

    decisions: int
    effective: float
    effective_share: float
    mean_weight: float
    mean_weight_stderr: float
    largest_weight: float
    unsupported: float
    impossible: int
    uniform: int
    matched: int


def overlap(evidence: Evidence) -> Overlap:
    """The diagnostics of a log for a target policy."""
    n, squared = evidence.n, evidence.weight_squared
    effective = evidence.weight**2 / squared if squared else 0.0
    mean = evidence.weight / n if n else 0.0
    spread = max(squared - n * mean * mean, 0.0) / (n - 1) if n > 1 else 0.0
    return Overlap(
        decisions=n,
        effective=effective,
        effective_share=effective / n if n else 0.0,
        mean_weight=mean,
        mean_weight_stderr=sqrt(spread / n) if n else 0.0,
        largest_weight=evidence.largest_weight,
        unsupported=evidence.unsupported / n if n else 0.0,
        impossible=evidence.impossible,
        uniform=evidence.uniform,
        matched=evidence.matched,
    )


def refusal(found: Overlap) -> str:
    """Why the log cannot answer for this policy, "" when it can."""
    if found.decisions < MIN_DECISIONS:
        return (
            f"{found.decisions:,} decisions can be used and at least {MIN_DECISIONS} are needed: widen the window, or "
            "wait until decisions are 24 h old"
        )
    if found.impossible:
        return (
            f"{found.impossible:,} decisions were logged with propensity 0, although they were made: the log's "
            "propensities are not true, and nothing can be weighted by them"
        )
    if found.unsupported > MAX_UNSUPPORTED:
        return (
            f"{found.unsupported:.1%} of what the policy would show was never possible in the log: those tips had "
            "propensity 0 in the decisions where the policy would show them; let the live policy explore (epsilon "
            "above 0), then ask again"
        )
    if found.effective < MIN_EFFECTIVE:
        return (
            f"the {found.decisions:,} decisions are worth only {found.effective:.0f} of the policy's own, and at least "
            f"{MIN_EFFECTIVE:.0f} are needed: the log hardly ever did what the policy would do; let the live policy "
            "explore more, or widen the window"
        )
    if _off(found):
        return (
            f"the mean weight is {found.mean_weight:.2f} and would be 1 if the log could show whatever the policy "
            "would: its propensities are not true, or it never shows some tips"
        )
    return ""


def replay_refusal(found: Overlap) -> str:
    """Why the replay method alone cannot answer, "" when it can."""
    if found.uniform < MIN_MATCHED:
        return (
            f"replay needs decisions that were drawn uniformly (explored, or by the policy random), and "
            f"{found.uniform:,} of {found.decisions:,} were"
        )
    if found.matched < MIN_MATCHED:
        return (
            f"the policy would have shown the same tip in {found.matched:,} of {found.uniform:,} uniform decisions, "
            f"and at least {MIN_MATCHED} are needed"
        )
    return ""


def caution(found: Overlap) -> str:
    """What to keep in mind about intervals that are given all the same, "" for nothing."""
    if found.effective_share < LOW_SHARE:
        return (
            f"the estimates rest on few heavy decisions (effective share {found.effective_share:.1%}, largest weight "
            f"{found.largest_weight:.0f}): intervals may be too narrow"
        )
    return ""


def _off(found: Overlap) -> bool:
    distance = abs(found.mean_weight - 1.0)
    return distance > OFF_BY and distance > OFF_BY_ERRORS * found.mean_weight_stderr
