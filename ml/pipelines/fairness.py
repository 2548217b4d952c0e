"""Fairness checks over groups of held-out decisions: nobody is foretold worse, nobody is credibly worse off.

Both compare a group with itself without the model, so that groups which differ anyway do not fail for it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ml.evaluation import estimators
from ml.evaluation.estimate import Estimate
from ml.evaluation.evidence import Array, Evidence
from ml.evaluation.overlap import MIN_DECISIONS, overlap, refusal
from ml.pipelines.prior import Fit, progressive_errors
from ml.pipelines.rows import Rows
from ml.registry.card import Check, Figure, Group

MOST_ERROR = 0.02
"""How much the mean squared error of a group may grow; rewards reach from -0.75 to 1.5."""

MOST_LOSS = 0.05
"""How much less reward a decision a group's interval may credibly promise."""

MIN_REACTIONS = 30
"""Groups with fewer reactions are shown and not judged."""


def held_out_errors(rows: Rows, prior: tuple[Array, Array], neutral: tuple[Array, Array]) -> Array:
    """Squared errors (n, 2) of reactions foretold with the prior and without; NaN before the cut and without one."""
    errors = progressive_errors(rows, [prior, neutral])
    errors[: rows.cut] = np.nan
    return errors


def groups_of(rows: Rows, errors: Array, evidence: Mapping[str, Evidence]) -> list[Group]:
    """Every group with its figures, in order of the labels; `errors` (n, 2) as `held_out_errors` gives them."""
    held_out = np.arange(len(rows)) >= rows.cut
    found = []
    for label in sorted({label for labels in rows.labels for label in labels}):
        member = np.array([label in labels for labels in rows.labels]) & held_out
        seen = errors[member & ~np.isnan(errors[:, 0])]
        error, neutral = seen.mean(axis=0).tolist() if len(seen) else (None, None)
        known = evidence.get(label)
        found.append(
            Group(
                label=label,
                decisions=int(member.sum()),
                reactions=len(seen),
                error=error,
                neutral_error=neutral,
                earned=figure(estimators.on_policy(known)) if known and known.n >= MIN_DECISIONS else None,
                estimate=figure(estimators.dr(known)) if known and not refusal(overlap(known)) else None,
            )
        )
    return found


def checks_of(groups: Sequence[Group]) -> list[Check]:
    """Two checks for each dimension of the labels."""
    checks = []
    for dimension in dict.fromkeys(group.label.partition(":")[0] for group in groups):
        theirs = [group for group in groups if group.label.partition(":")[0] == dimension]
        checks += [_foretold(dimension, theirs), _earned(dimension, theirs)]
    return checks


def newcomers(fit: Fit) -> Check:
    """The check of people whom the prior was not made of: their first reactions, as κ was chosen by them."""
    name = "newcomers: foretold no worse"
    if not fit.errors:
        return Check(name=name, passed=True, said="nobody could be foretold from other people: not judged")
    grown = fit.errors[fit.kappa] - fit.errors[0.0]
    said = f"error of people it was not fitted on changes by {grown:+.4f}, allowed {MOST_ERROR:+.4f}"
    return Check(name=name, passed=grown <= MOST_ERROR, said=said)


def figure(estimate: Estimate) -> Figure:
    """An estimate as a card shows it."""
    return Figure(value=estimate.value, low=estimate.low, high=estimate.high, decisions=estimate.decisions)


def _foretold(dimension: str, groups: Sequence[Group]) -> Check:
    grown = {
        group.label: group.error - group.neutral_error
        for group in groups
        if group.reactions >= MIN_REACTIONS and group.error is not None and group.neutral_error is not None
    }
    name = f"{dimension}: foretold no worse"
    if not grown:
        return Check(name=name, passed=True, said=f"no group has {MIN_REACTIONS} reactions: not judged")
    worst = max(grown, key=lambda label: grown[label])
    said = f"error changes by {grown[worst]:+.4f} at most ({worst}), allowed {MOST_ERROR:+.4f}"
    return Check(name=name, passed=grown[worst] <= MOST_ERROR, said=said)


def _earned(dimension: str, groups: Sequence[Group]) -> Check:
    promised = {
        group.label: group.estimate.high - group.earned.value
        for group in groups
        if group.estimate is not None and group.earned is not None
    }
    name = f"{dimension}: not credibly worse off"
    if not promised:
        return Check(name=name, passed=True, said="the log cannot answer for any group: not judged")
    worst = min(promised, key=lambda label: promised[label])
    said = f"the interval reaches to {promised[worst]:+.4f} of what was earned ({worst}), allowed {-MOST_LOSS:+.4f}"
    return Check(name=name, passed=promised[worst] >= -MOST_LOSS, said=said)
