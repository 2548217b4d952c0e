"""The simulated experiments, smaller and with their seeds pinned."""

import numpy as np
import pytest

from benchmarks.experiments import Crowd, first_alarm, simulate


def called(first: np.ndarray) -> float:
    return float(np.mean(~np.isnan(first)))


@pytest.mark.slow
def test_aa_looked_at_after_every_decision_is_seldom_called() -> None:
    for at_once in (False, True):
        looks = simulate(Crowd(300, 300, 6, at_once=at_once), seed=5)
        assert called(looks.always) < 0.05
        assert called(looks.cuped) < 0.05
        assert called(looks.peeked_t) > 0.2, "what the intervals are for"


def test_a_difference_is_called_and_more_often_with_cuped() -> None:
    looks = simulate(Crowd(200, 400, 6, effect=0.12), seed=5)
    assert called(looks.always) > 0.8
    assert called(looks.cuped) >= called(looks.always)


def test_a_split_of_60_to_40_raises_the_alarm_and_a_sound_one_does_not() -> None:
    assert all(first_alarm(2000, 0.6, f"fault/{number}") is not None for number in range(20))
    assert [first_alarm(2000, 0.5, f"sound/{number}") for number in range(20)] == [None] * 20
