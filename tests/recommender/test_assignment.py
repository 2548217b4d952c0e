"""Which live policy decides for whom."""

from collections import Counter

from services.recommender.assignment import FALLBACK, assign

PEOPLE = [f"person-{number}" for number in range(4000)]


def test_without_a_live_policy_chance_decides() -> None:
    assert assign("ada", {}) == FALLBACK == "random"


def test_one_live_policy_decides_for_everybody_whatever_its_weight() -> None:
    assert {assign(person, {"linucb": 0.01}) for person in PEOPLE[:50]} == {"linucb"}


def test_the_split_follows_the_weights() -> None:
    shares = Counter(assign(person, {"linucb": 0.6, "greedy": 0.3, "random": 0.1}) for person in PEOPLE)
    assert abs(shares["linucb"] / 4000 - 0.6) < 0.03
    assert abs(shares["greedy"] / 4000 - 0.3) < 0.03
    assert abs(shares["random"] / 4000 - 0.1) < 0.03


def test_a_policy_that_joins_only_takes_people_over() -> None:
    before = {person: assign(person, {"linucb": 1.0, "greedy": 1.0}) for person in PEOPLE}
    after = {person: assign(person, {"linucb": 1.0, "greedy": 1.0, "random": 1.0}) for person in PEOPLE}
    assert {after[person] for person in PEOPLE if after[person] != before[person]} == {"random"}


def test_the_split_does_not_depend_on_the_order_of_the_policies() -> None:
    there, back = {"random": 0.5, "linucb": 0.5}, {"linucb": 0.5, "random": 0.5}
    assert [assign(person, there) for person in PEOPLE] == [assign(person, back) for person in PEOPLE]


def test_nobody_moves_when_the_code_changes() -> None:
    weights = {"random": 0.5, "linucb": 0.5}
    chosen = {person: assign(person, weights) for person in ("ada", "böb", "c d", "🌱", "*", ">")}
    assert chosen == {
        "ada": "linucb",
        "böb": "linucb",
        "c d": "random",
        "🌱": "random",
        "*": "linucb",
        ">": "random",
    }
