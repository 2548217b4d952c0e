"""Intervals and adjustment against numbers worked out by hand and against plain loops over people."""

import math
from itertools import pairwise

import numpy as np
import pytest

from ml.experiments.always_valid import FEWEST, differences
from ml.experiments.cuped import adjusted
from ml.experiments.people import PRIOR_PEOPLE, PRIOR_VARIANCE, Sample, Sums
from ml.experiments.sample_ratio import ALARM, chi_square_p_value, sequential_p_value

Counts = tuple[float, float, float, float]


def sample(*arms: tuple[float, float, float]) -> Sample:
    return Sample(*(np.array(values, float) for values in zip(*arms, strict=True)))


def test_an_interval_is_the_normal_mixtures() -> None:
    found = differences(sample((200, 0.2, 0.25), (400, 0.3, 0.5)), effect=0.05)
    v = 0.25 / 200 + 0.5 / 400
    half = math.sqrt(v * (v + 0.0025) / 0.0025 * math.log((v + 0.0025) / (v * 0.05**2)))
    assert (found.difference[0], found.low[0]) == pytest.approx((0.1, 0.1 - half))
    assert found.high[0] == pytest.approx(0.1 + half)
    ratio = math.sqrt(v / (v + 0.0025)) * math.exp(0.0025 * 0.01 / (2 * v * (v + 0.0025)))
    assert found.p_value[0] == pytest.approx(min(1, 1 / ratio))


@pytest.mark.parametrize("difference", [0.05, 0.1, 0.12, 0.2])
def test_the_p_value_falls_below_the_level_where_the_interval_leaves_0_out(difference: float) -> None:
    found = differences(sample((500, 0, 0.25), (500, difference, 0.25), (500, 0, 0.25)))
    outside = (found.low > 0) | (found.high < 0)
    assert list(outside) == list(found.p_value < 0.05)


def test_several_arms_share_the_level() -> None:
    two = differences(sample((500, 0, 0.25), (500, 0.1, 0.25)))
    three = differences(sample((500, 0, 0.25), (500, 0.1, 0.25), (500, 0.1, 0.25)))
    assert three.high[0] == three.high[1] > two.high[0]
    assert three.p_value[0] == pytest.approx(2 * two.p_value[0])


def test_nothing_is_said_of_an_arm_with_few_people() -> None:
    found = differences(sample((500, 0, 0.25), (FEWEST - 1, 1, 0.25), (FEWEST, 1, 0.25)))
    assert list(np.isnan(found.low)) == list(np.isnan(found.p_value)) == [True, False]


def test_people_who_all_did_the_same_leave_some_doubt() -> None:
    silent = sums_of([(number % 2, (1.0, 0.0, 0.0, 0.0)) for number in range(400)]).sample()
    assert list(silent.variance) == [PRIOR_PEOPLE * PRIOR_VARIANCE / (199 + PRIOR_PEOPLE)] * 2
    assert differences(silent).low[0] < 0 < differences(silent).high[0]


def people(seed: int) -> list[tuple[int, Counts]]:
    """The arm and the counts of people; what they earn follows what they earned before, unknown of every fourth."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(400):
        taste, before, since = rng.normal(0.3, 0.5), float(rng.integers(5, 20)), float(rng.integers(5, 20))
        known = before if number % 4 else 0.0
        earned = [times * taste + rng.normal(0, 0.2) for times in (since, known)]
        found.append((number % 3 % 2, (since, earned[0], known, earned[1] if known else 0.0)))
    return found


def sums_of(people: list[tuple[int, Counts]]) -> Sums:
    sums = Sums(np.zeros(2), np.zeros((4, 2)), np.zeros((4, 4, 2)))
    for arm, counts in people:
        sums.people[arm] += 1
        sums.total[:, arm] += counts
        sums.products[:, :, arm] += np.outer(counts, counts)
    return sums


def with_prior(squares: float, count: int) -> float:
    return (squares + PRIOR_PEOPLE * PRIOR_VARIANCE) / (count - 1 + PRIOR_PEOPLE)


def test_a_sample_is_the_reward_a_decision_with_the_variance_between_people() -> None:
    found = people(3)
    sample = sums_of(found).sample()
    for arm in (0, 1):
        k, r = np.array([counts[:2] for at, counts in found if at == arm]).T
        mean = r.sum() / k.sum()
        assert sample.mean[arm] == pytest.approx(mean)
        assert sample.variance[arm] == pytest.approx(
            with_prior(float((((r - mean * k) / k.mean()) ** 2).sum()), len(k))
        )


def test_cuped_is_the_regression_within_arms_on_what_is_known_from_before() -> None:
    found = people(3)
    sums = sums_of(found)
    arms = np.array([arm for arm, _ in found])
    k, r, k_before, r_before = np.array([counts for _, counts in found]).T
    e = r - sums.sample().mean[arms] * k
    z = r_before - r_before.sum() / k_before.sum() * k_before
    theta = np.linalg.lstsq(np.column_stack((arms == 0, arms == 1, z)), e, rcond=None)[0][2]
    by_sums = adjusted(sums)
    assert by_sums.theta == pytest.approx(theta)
    for arm in (0, 1):
        of = arms == arm
        assert by_sums.sample.mean[arm] == pytest.approx((r[of].sum() - theta * z[of].sum()) / k[of].sum())
        left = (e[of] - theta * (z[of] - z[of].mean())) / k[of].mean()
        assert by_sums.sample.variance[arm] == pytest.approx(with_prior(float((left**2).sum()), int(of.sum())))
    assert 0.3 < by_sums.spared < 1


def test_without_decisions_from_before_cuped_changes_nothing() -> None:
    plain = sums_of([(arm, (*counts[:2], 0.0, 0.0)) for arm, counts in people(3)])
    found = adjusted(plain)
    assert (float(found.theta), float(found.spared)) == (0, 0)
    assert found.sample.mean == pytest.approx(plain.sample().mean)
    assert found.sample.variance == pytest.approx(plain.sample().variance)


def test_chi_square_agrees_with_printed_quantiles() -> None:
    # The 5 % quantiles of chi-square with 1, 2, 3 and 4 degrees of freedom.
    for quantile, groups in ((3.841, 2), (5.991, 3), (7.815, 4), (9.488, 5)):
        # x² = n d² k / (k - 1) · ... made by moving d people from the last group into the first.
        each = 1000
        moved = math.sqrt(quantile * each / 2)
        counts = [each + moved, *[each] * (groups - 2), each - moved]
        found = chi_square_p_value(counts, [1 / groups] * groups)  # type: ignore[arg-type]
        assert found == pytest.approx(0.05, abs=1e-4)
    assert chi_square_p_value([0, 0], [0.5, 0.5]) == chi_square_p_value([7, 0], [1.0, 0.0]) == 1


def test_the_sequential_p_value_is_a_bayes_factor_and_a_martingale() -> None:
    # B(n + 1) averaged over the next person, drawn by the shares, is B(n).
    shares = (0.7, 0.3)
    for first in range(90, 110):
        now = 1 / sequential_p_value((first, 100), shares)
        then = [1 / sequential_p_value(counts, shares) for counts in ((first + 1, 100), (first, 101))]
        assert now > 1
        assert sum(share * factor for share, factor in zip(shares, then, strict=True)) == pytest.approx(now)


def test_the_alarm_needs_people_and_a_group_without_a_share_needs_only_one() -> None:
    found = [sequential_p_value((6 * n, 4 * n), (0.5, 0.5)) for n in (1, 10, 20, 50, 100)]
    assert found[0] > 0.5
    assert all(earlier >= later for earlier, later in pairwise(found))
    assert found[-1] < ALARM
    assert sequential_p_value((50, 50), (0.5, 0.5)) == 1
    assert sequential_p_value((500, 500, 1), (0.5, 0.5, 0.0)) == 0
