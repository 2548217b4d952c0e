"""Whether people are split as the experiment says. If not, something loses or misplaces them, and no difference between
its arms can be believed."""

import math
from collections.abc import Sequence

ALARM = 0.001
"""The chance of ever raising a false alarm in an experiment whose split is sound."""

CONCENTRATION = 100.0
"""How tightly the alternative lies around the planned shares: a standard deviation of about 0.05 at one half."""


def sequential_p_value(counts: Sequence[int], shares: Sequence[float]) -> float:
    """The p-value of "people fall into groups with these shares" that holds at every moment at once.

    The alternative draws the shares from Dirichlet(κ·shares); the Bayes factor after counts n_i, n in all,

        B = Γ(κ)/Γ(κ + n) · Π Γ(κ θ_i + n_i)/Γ(κ θ_i) · Π θ_i^(−n_i),

    is a martingale with expectation 1 when the shares θ hold, so min(1, 1/B) ever falls below a level with at most that
    chance (Lindon and Malek, "Anytime-valid inference for multinomial count data", 2022). Groups without a share must
    have no people: one of them makes the p-value 0.
    """
    if any(count and not share for count, share in zip(counts, shares, strict=True)):
        return 0.0
    log_factor = math.lgamma(CONCENTRATION) - math.lgamma(CONCENTRATION + sum(counts))
    for count, share in zip(counts, shares, strict=True):
        if share:
            prior = CONCENTRATION * share
            log_factor += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
    return min(1.0, math.exp(-max(log_factor, 0.0)))


def chi_square_p_value(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Pearson's test of the same for one look, planned in advance; 1 with fewer than two groups or nobody.

    Q(k/2, x/2) for k degrees of freedom, by Q(a + 1, x) = Q(a, x) + xᵃ e⁻ˣ / Γ(a + 1) from Q(½, x) = erfc √x and
    Q(1, x) = e⁻ˣ.
    """
    groups = [(count, share) for count, share in zip(counts, shares, strict=True) if share]
    people, freedom = sum(counts), len(groups) - 1
    if people == 0 or freedom < 1:
        return 1.0
    x = sum((count - people * share) ** 2 / (people * share) for count, share in groups) / 2
    a, tail = (0.5, math.erfc(math.sqrt(x))) if freedom % 2 else (1.0, math.exp(-x))
    while a < freedom / 2:
        tail += x**a * math.exp(-x) / math.gamma(a + 1)
        a += 1
    return min(1.0, tail)
