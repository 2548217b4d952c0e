"""A group that a prior foretells worse, or that is credibly worse off, fails its check; a small one is not judged."""

from dataclasses import replace

import numpy as np
import pytest

from contracts.feature_sets import CURRENT
from ml.evaluation.evidence import Evidence
from ml.pipelines.fairness import MOST_ERROR, checks_of, groups_of, held_out_errors, newcomers
from ml.pipelines.prior import Fit, fit, power_prior
from ml.pipelines.run import Run
from ml.pipelines.steps import Judgement, fairness, make_card
from ml.registry.card import Figure, Group
from tests.pipelines.lives import gathered, life


def group(label: str, error: float, *, reactions: int = 100, high: float | None = None) -> Group:
    estimate = None if high is None else Figure(value=high - 0.1, low=high - 0.2, high=high, decisions=500)
    earned = Figure(value=0.3, low=0.2, high=0.4, decisions=500)
    return Group(
        label=label,
        decisions=500,
        reactions=reactions,
        error=error,
        neutral_error=0.2,
        earned=earned,
        estimate=estimate,
    )


@pytest.mark.parametrize(
    ("cold", "passed"),
    [
        (group("people: cold", 0.2 + MOST_ERROR / 2), [True, True]),
        (group("people: cold", 0.2 + 2 * MOST_ERROR), [False, True]),
        (group("people: cold", 0.9, reactions=29), [True, True]),
        (group("people: cold", 0.2, high=0.26), [True, True]),
        (group("people: cold", 0.2, high=0.24), [True, False]),
    ],
)
def test_checks_compare_each_group_with_itself_without_the_model(cold: Group, passed: list[bool]) -> None:
    checks = checks_of([cold, group("people: warm", 0.1)])
    assert [check.passed for check in checks] == passed
    assert [check.name for check in checks] == ["people: foretold no worse", "people: not credibly worse off"]


@pytest.mark.parametrize(("error", "passed"), [(0.1, True), (0.3, False)])
def test_newcomers_are_people_whom_the_prior_was_not_made_of(error: float, passed: bool) -> None:
    found = Fit(CURRENT, np.eye(1), np.zeros(1), kappa=10.0, reactions=9, errors={0.0: 0.2, 10.0: error})
    assert newcomers(found).passed == passed


def test_what_was_never_foretold_is_not_judged_and_has_no_figure() -> None:
    rows = gathered(life(worth=("done",)).log)
    rows = replace(rows, reacted=rows.reacted & (np.arange(len(rows)) < rows.cut))
    fitted = fit(rows.fitted_on, seed=7)
    judgement = Judgement("linucb", Evidence(rows.x.shape[1]), {})
    fair = fairness(rows, fitted, judgement)
    assert (fair[1][0].passed, fair[1][0].said) == (True, "nobody could be foretold from other people: not judged")
    run = Run("prior", "2026-01-01T00:00:00Z", 999, 0, 7, "day", False, "code")
    offline = make_card(run, rows, fitted, judgement, fair).offline
    assert offline is not None
    errors = (offline.error, offline.neutral_error, offline.newcomer_error, offline.neutral_newcomer_error)
    assert errors == (None,) * 4


def test_a_prior_against_all_evidence_fails() -> None:
    rows = gathered(life(400, worth=("done",)).log)
    wrong = power_prior(rows.x, -rows.reward, kappa=300.0)
    errors = held_out_errors(rows, wrong, power_prior(rows.x[:0], rows.reward[:0], 0.0))
    assert np.isnan(errors[: rows.cut]).all()
    groups = groups_of(rows, errors, {})
    assert {one.label.partition(":")[0] for one in groups} == {"people", "sources", "day"}
    # A group's decisions are those that were held out.
    assert sum(one.decisions for one in groups if one.label.startswith("people")) == len(rows) - rows.cut
    failed = [check.name for check in checks_of(groups) if not check.passed]
    assert "people: foretold no worse" in failed
