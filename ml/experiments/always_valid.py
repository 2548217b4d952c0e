"""Intervals for the difference between arms that hold at every moment at once: looking as often as one likes, and
stopping for whatever reason, keeps their promise."""

import math
from dataclasses import dataclass

import numpy as np

from ml.experiments.people import Floats, Sample

ALPHA = 0.05
EFFECT = 0.05
"""The size of a difference (in reward) that intervals are narrowest for; it must not be chosen after looking."""

FEWEST = 50
"""People an arm needs before anything is said: the promise rests on means being nearly normal."""


@dataclass(frozen=True, slots=True)
class Differences:
    """Each arm but the first minus the first, shape (arms - 1, ...); nan while an arm has too few people.

    `p_value` is always valid too: the chance that it ever falls below a level is at most that level.
    """

    difference: Floats
    low: Floats
    high: Floats
    p_value: Floats


def differences(sample: Sample, *, alpha: float = ALPHA, effect: float = EFFECT, fewest: int = FEWEST) -> Differences:
    """Difference of means to the first arm with its confidence sequence; together they miss with chance alpha at most.

    Robbins' normal mixture: with d the difference, V = s₁²/n₁ + s₀²/n₀ and a difference drawn from N(0, τ²),
    the likelihood ratio against "the difference is δ" is

        Λ(δ) = √(V / (V + τ²)) · exp( τ² (d − δ)² / (2 V (V + τ²)) ),

    and by Ville's inequality Λ(truth) ever reaches 1/α with chance α at most, so that

        d ± √( V (V + τ²) / τ² · log( (V + τ²) / (V α²) ) )

    covers at all moments, and min(1, 1/Λ(0)) is a p-value at all moments. Robbins, "Statistical methods related to the
    law of the iterated logarithm", 1970; as the mSPRT for A/B tests Johari et al., "Always valid inference", 2022; that
    estimated variances do asymptotically is Waudby-Smith et al., "Time-uniform central limit theory and asymptotic
    confidence sequences", 2024 (their ρ² is τ²/σ², their t is σ²/V). Several arms share α evenly (Bonferroni).
    """
    spread = sample.variance / np.maximum(sample.people, 1)
    v, tau2 = spread[1:] + spread[0], effect**2
    found = sample.mean[1:] - sample.mean[0]
    arms = len(found)
    half = np.sqrt(v * (v + tau2) / tau2 * (np.log((v + tau2) / v) - 2 * math.log(alpha / arms)))
    log_ratio = 0.5 * np.log(v / (v + tau2)) + tau2 * found**2 / (2 * v * (v + tau2))
    p_value = np.minimum(1.0, arms * np.exp(-np.maximum(log_ratio, 0.0)))
    enough = np.minimum(sample.people[1:], sample.people[0]) >= fewest
    shown = (np.where(enough, each, np.nan) for each in (found, found - half, found + half, p_value))
    return Differences(*shown)
