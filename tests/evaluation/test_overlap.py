"""When a log cannot answer, it is said in words; what it can is said with its diagnostics."""

import numpy as np
import pytest

from ml.evaluation.evaluation import ESTIMATORS, evaluate
from ml.evaluation.evidence import Decisions
from ml.evaluation.overlap import overlap
from tests.evaluation.logs import alternating, decisions, evidence


def refused(*parts: Decisions) -> str:
    """The refusal, which every estimator gives alike."""
    found = evaluate(evidence(*parts))
    assert [answer.estimator for answer in found.answers] == list(ESTIMATORS)
    assert all(answer.estimate is None and answer.refusal == found.refusal for answer in found.answers)
    return found.refusal


def test_diagnostics_by_hand() -> None:
    # Weights 2, 1/2, 0, 4: Σ w = 13/2, Σ w² = 81/4.
    log = decisions([0.0] * 4, [0.25, 0.5, 0.5, 0.125], [0.5, 0.25, 0.0, 0.5], unsupported=0.25)
    found = overlap(evidence(log))
    assert found.effective == pytest.approx(169 / 81)
    assert found.effective_share == pytest.approx(169 / 324)
    assert (found.mean_weight, found.largest_weight, found.unsupported) == (1.625, 4.0, 0.25)


def test_too_few_decisions_are_refused() -> None:
    assert "99 decisions can be used and at least 100 are needed" in refused(alternating(99, 1.0, 0.5))
    assert evaluate(evidence(alternating(99, 1.0, 0.5))).on_policy is None


def test_a_deterministic_log_is_refused_with_the_reason() -> None:
    log = decisions([1.0] * 500, [1.0] * 500, [0.2] * 500, unsupported=0.8)
    said = refused(log)
    assert "80.0% of what the policy would show was never possible in the log" in said
    assert "had propensity 0 in the decisions where the policy would show them" in said
    assert "let the live policy explore" in said


def test_a_log_that_chose_by_chance_among_some_tips_is_not_said_to_be_certain() -> None:
    # As Thompson sampling without a floor: of four tips two never win.
    said = refused(decisions([1.0] * 500, [0.5] * 500, [0.25] * 500, unsupported=0.5))
    assert "50.0% of what the policy would show was never possible in the log" in said
    assert "certain" not in said


def test_a_deterministic_log_still_answers_for_its_own_policy() -> None:
    log = decisions([1.0, 0.0] * 250, [1.0] * 500, [1.0] * 500)
    found = evaluate(evidence(log))
    assert found.refusal == ""
    values = {answer.estimator: answer.estimate for answer in found.answers}
    assert values["IPS"] == found.on_policy


def test_a_propensity_of_zero_is_refused() -> None:
    assert "3 decisions were logged with propensity 0" in refused(
        alternating(500, 1.0, 0.5), decisions([1.0] * 3, [0.0] * 3, [0.5] * 3)
    )


def test_too_small_an_effective_sample_is_refused() -> None:
    log = decisions([1.0] * 1000, [0.001] * 20 + [0.9] * 980, [1.0] * 20 + [0.0] * 980)
    assert "the 1,000 decisions are worth only 20 of the policy's own" in refused(log)


def test_weights_that_do_not_average_to_one_are_refused() -> None:
    assert "the mean weight is 0.50" in refused(decisions([1.0] * 1000, [0.5] * 1000, [0.25] * 1000))


def test_few_heavy_decisions_are_answered_with_a_caution() -> None:
    log = decisions([1.0] * 10_000, [0.01] * 200 + [0.9] * 9800, [0.5] * 200 + [0.0] * 9800)
    found = evaluate(evidence(log))
    assert found.refusal == ""
    assert "effective share 2.0%, largest weight 50" in found.caution


def test_replay_needs_a_uniform_log() -> None:
    by_name = {answer.estimator: answer for answer in evaluate(evidence(alternating(500, 1.0, 0.5))).answers}
    assert "drawn uniformly" in by_name["replay"].refusal
    assert by_name["IPS"].estimate is not None


def test_replay_needs_matches() -> None:
    half = [place % 2 == 0 for place in range(150)]
    log = decisions([1.0] * 150, [0.5] * 150, [0.5] * 150, uniform=[True] * 150, agrees=half)
    answer = evaluate(evidence(log)).answers[0]
    assert "the same tip in 75 of 150 uniform decisions" in answer.refusal


def test_an_empty_log_is_refused() -> None:
    nothing = np.zeros((0, 1))
    assert "0 decisions can be used" in refused(decisions([], [], [], x=nothing))
