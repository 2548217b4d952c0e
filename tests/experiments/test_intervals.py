"""Intervals and adjustment against numbers worked out by hand and against plain loops over people."""

import math
from itertools import pairwise

import numpy as np
import pytest

from ml.experiments.always_valid import FEWEST, differences
from ml.experiments.cuped import adjusted
from ml.experiments.people import PRIOR_PEOPLE, PRIOR_VARIANCE, Sample, Sums
from ml.experiments.sample_ratio import ALARM, chi_square_p_value, sequential_p_value


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
    silent = Sums(*(np.array([float(value), float(value)]) for value in (200, 0, 0, 0, 0, 0, 0, 0))).sample()
    assert list(silent.variance) == [PRIOR_PEOPLE * PRIOR_VARIANCE / (199 + PRIOR_PEOPLE)] * 2
    assert differences(silent).low[0] < 0 < differences(silent).high[0]


def people(seed: int) -> tuple[list[tuple[int, float, float | None]], Sums]:
    """(arm, y, x) of people, whose y follows their x, and their sums."""
    rng = np.random.default_rng(seed)
    found: list[tuple[int, float, float | None]] = []
    for number in range(400):
        x = float(rng.normal(0.3, 0.5))
        found.append((number % 3 % 2, 0.8 * x + float(rng.normal(0, 0.2)), x if number % 4 else None))
    sums = np.zeros((8, 2))
    for arm, y, before in found:
        x, known = before or 0.0, float(before is not None)
        sums[:, arm] += (1, y, y * y, known, x, x * x, x * y, known * y)
    return found, Sums(*sums)


def test_cuped_is_the_regression_within_arms_on_what_is_known_from_before() -> None:
    found, sums = people(3)
    centre = np.mean([x for _, _, x in found if x is not None])
    arms, y = np.array([arm for arm, _, _ in found]), np.array([y for _, y, _ in found])
    z = np.array([0.0 if x is None else x - centre for _, _, x in found])
    theta = np.linalg.lstsq(np.column_stack((arms == 0, arms == 1, z)), y, rcond=None)[0][2]
    found_by_sums = adjusted(sums)
    assert found_by_sums.theta == pytest.approx(theta)
    for arm in (0, 1):
        left = (y - theta * z)[arms == arm]
        assert found_by_sums.sample.mean[arm] == pytest.approx(left.mean())
        squares = float(((left - left.mean()) ** 2).sum())
        expected = (squares + PRIOR_PEOPLE * PRIOR_VARIANCE) / (len(left) - 1 + PRIOR_PEOPLE)
        assert found_by_sums.sample.variance[arm] == pytest.approx(expected)
    assert 0.5 < found_by_sums.spared < 1


def test_without_people_known_from_before_cuped_changes_nothing() -> None:
    _, sums = people(3)
    nobody = np.zeros(2)
    plain = Sums(sums.people, sums.y, sums.yy, nobody, nobody, nobody, nobody, nobody)
    found = adjusted(plain)
    assert (found.theta, found.spared) == (0, 0)
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
