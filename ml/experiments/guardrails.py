"""When a policy that decides for people has to be taken back: it does worse than the one before it, or it fails.

Looked at again and again while people are touched, so the comparison is by intervals that may be peeked at.
"""

from dataclasses import dataclass

import numpy as np

from ml.experiments.always_valid import differences
from ml.experiments.people import Sample

FEWEST_PEOPLE = 20
FEWEST_CALLS = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What is put up with: a loss of reward a decision, a rise in the share of decisions with a negative reaction, the
    share of calls that fail."""

    reward: float = 0.0
    negative: float = 0.02
    errors: float = 0.05


@dataclass(frozen=True, slots=True)
class Calls:
    """Scoring calls of a policy since some moment: how many were decided, how many failed."""

    decided: int = 0
    failed: int = 0


def complaint(rewards: Sample, negatives: Sample, calls: Calls, limits: Limits) -> str | None:
    """Why the second arm has to make place for the first, in words; None while nothing speaks against it.

    Each sample holds the policy before and the present one, shape (2,): reward a decision, and the share of decisions
    that people disliked. With 95 % confidence at all moments together, each by itself.
    """
    total = calls.decided + calls.failed
    if total >= FEWEST_CALLS and calls.failed > limits.errors * total:
        return f"errors: {calls.failed:,} of {total:,} calls failed, {limits.errors:.1%} are put up with"
    worse = differences(rewards, fewest=FEWEST_PEOPLE)
    if _known(worse.high) and worse.high[0] < -limits.reward:
        return f"mean reward: {worse.difference[0]:+.3f} a decision, at most {worse.high[0]:+.3f}"
    disliked = differences(negatives, fewest=FEWEST_PEOPLE)
    if _known(disliked.low) and disliked.low[0] > limits.negative:
        return f"negative reactions: {disliked.difference[0]:+.1%} of decisions, at least {disliked.low[0]:+.1%}"
    return None


def _known(bound: np.typing.NDArray[np.float64]) -> bool:
    return bool(np.isfinite(bound[0]))
