"""Which live policy decides for whom."""

from collections import Counter
from typing import Any

from ml.experiments.assignment import arm_of
from services.recommender.assignment import FALLBACK, assign, policy_for

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


def row(policy: str, standing: str, weight: float = 0.0) -> dict[str, Any]:
    return {"policy": policy, "standing": standing, "weight": weight}


def experiment(*policies: str, holdback: float = 0.0) -> dict[str, Any]:
    arms = ", ".join(f'{{"policy": "{policy}", "weight": 1.0}}' for policy in policies)
    return {"experiment_id": "x", "salt": "s", "arms": f"[{arms}]", "holdback": holdback}


def test_a_running_experiment_decides_for_the_people_in_it_and_live_policies_for_those_held_back() -> None:
    policies = [row("greedy", "shadow"), row("linucb", "live", 1.0), row("random", "live", 1.0)]
    running = [experiment("greedy", "linucb", holdback=0.2)]
    for person in PEOPLE[:300]:
        place = arm_of(person, "s", (1, 1), 0.2)
        live = assign(person, {"linucb": 1.0, "random": 1.0})
        assert policy_for(person, policies, running) == (live if place is None else ["greedy", "linucb"][place])
        assert policy_for(person, policies, []) == live


def test_an_arm_that_is_disabled_or_unknown_touches_nobody_any_more() -> None:
    policies = [row("greedy", "disabled"), row("linucb", "live", 1.0), row("of-a-later-release", "live", 5.0)]
    for arm in ("greedy", "of-a-later-release", "never-named"):
        assert {policy_for(person, policies, [experiment(arm)]) for person in PEOPLE[:50]} == {"linucb"}


def test_of_two_that_run_the_one_that_started_first_decides() -> None:
    policies = [row("greedy", "live", 1.0), row("random", "live", 1.0)]
    assert policy_for("ada", policies, [experiment("greedy"), experiment("random")]) == "greedy"
