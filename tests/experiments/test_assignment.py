"""Who is in which arm."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.experiments.assignment import arm_of, shares
from services.recommender.assignment import assign

PEOPLE = [f"person-{number}" for number in range(4000)]


def test_each_arm_gets_its_weights_share_of_those_not_held_back() -> None:
    found = Counter(arm_of(person, "s", (3, 1), holdback=0.2) for person in PEOPLE)
    planned = dict(zip((0, 1, None), shares((3, 1), 0.2), strict=True))
    assert planned == pytest.approx({0: 0.6, 1: 0.2, None: 0.2})
    assert all(abs(found[arm] / 4000 - share) < 0.03 for arm, share in planned.items())


@given(st.text(max_size=20), st.text(max_size=20), st.lists(st.floats(0.01, 100), min_size=1, max_size=5))
def test_somebody_is_always_in_the_same_arm_whatever_unit_the_weights_are_in(
    user: str, salt: str, weights: list[float]
) -> None:
    found = arm_of(user, salt, weights)
    assert found is not None
    assert 0 <= found < len(weights)
    assert found == arm_of(user, salt, weights) == arm_of(user, salt, [4 * weight for weight in weights])


def test_a_larger_holdback_only_takes_people_out() -> None:
    before = {person: arm_of(person, "s", (1, 1), 0.1) for person in PEOPLE}
    after = {person: arm_of(person, "s", (1, 1), 0.3) for person in PEOPLE}
    assert {after[person] for person in PEOPLE if after[person] != before[person]} == {None}


def test_arms_are_independent_of_another_salts_and_of_the_split_among_live_policies() -> None:
    def live(person: str) -> int:
        return ["linucb", "greedy"].index(assign(person, {"linucb": 1.0, "greedy": 1.0}, salt="s"))

    def salted(person: str) -> int | None:
        return arm_of(person, "t", (1, 1))

    for other in (live, salted):
        together = Counter((arm_of(person, "s", (1, 1)), other(person)) for person in PEOPLE)
        assert all(abs(together[pair] / 4000 - 0.25) < 0.03 for pair in ((0, 0), (0, 1), (1, 0), (1, 1)))
