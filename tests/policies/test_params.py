"""Policy parameters as they come from the log and go back to it."""

import math
import re
from pathlib import Path

import pytest

from ml.policies.params import PARAMETERS, TAKEN, ParamsError, PolicyParams, check
from ml.policies.registry import POLICIES, RULES


def test_what_is_left_out_has_its_default() -> None:
    assert PolicyParams.parse({}) == PolicyParams(alpha=0.5, lam=1.0, epsilon=0.05)
    assert PolicyParams.parse({"epsilon": 0}) == PolicyParams(epsilon=0.0)


def test_what_is_logged_parses_to_the_same_parameters() -> None:
    params = PolicyParams(alpha=1.25, lam=3.0, epsilon=0.1)
    assert params.logged("linucb") == {"alpha": 1.25, "lambda": 3.0, "epsilon": 0.1, "gamma": 1.0}
    assert PolicyParams.parse(params.logged("linucb")) == params


@pytest.mark.parametrize("policy", POLICIES)
def test_each_policy_logs_what_it_takes_and_is_asked_for_nothing_else(policy: str) -> None:
    given = {name: (known.low + known.high) / 2 for name, known in PARAMETERS.items() if name in TAKEN[policy]}
    check(policy, given)
    assert PolicyParams.of(policy, given).logged(policy) == given
    for key in PARAMETERS.keys() - TAKEN[policy]:
        with pytest.raises(ParamsError, match=f"{key}.*is not one of {policy}'s; it takes .*lambda") as caught:
            check(policy, {key: 0.5})
        assert caught.value.key == key
    with pytest.raises(ParamsError, match="from 1e-06 to 1e\\+06"):
        check(policy, {"lambda": 0.0})


def test_each_policy_has_its_parameters_and_its_rule() -> None:
    assert list(POLICIES) == list(TAKEN) == list(RULES)
    assert all(known.field in PolicyParams.__dataclass_fields__ for known in PARAMETERS.values())


def test_epsilon_greedy_explores_more_than_the_floor() -> None:
    assert PolicyParams.of("epsilon_greedy", {}).epsilon == 0.1
    assert PolicyParams.of("epsilon_greedy", {"epsilon": 0.2}).epsilon == 0.2
    assert PolicyParams.of("greedy", {}).epsilon == 0.05


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gain", 1.0),
        ("lam", 1.0),
        ("alpha", -0.1),
        ("alpha", math.nan),
        ("alpha", math.inf),
        ("alpha", "0.5"),
        ("alpha", None),
        ("lambda", 0),
        ("lambda", True),
        ("epsilon", 1.01),
        ("gamma", 0.49),
        ("gamma", 1.01),
        ("epsilon", 10**400),
    ],
)
def test_a_parameter_that_can_not_be_meant_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ParamsError, match=key) as caught:
        PolicyParams.parse({key: value})
    assert caught.value.key == key


def test_the_documents_tell_every_policy_s_parameters() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    for policy, taken in TAKEN.items():
        assert re.search(rf"^\| `{policy}` \| .* \| {', '.join(f'`{name}`' for name in taken)} \|$", page, re.M), policy
    for name, known in PARAMETERS.items():
        default = getattr(PolicyParams(), known.field)
        row = f"| `{name}` | {known.low:g} | {known.high:g} | {default:g}"
        assert any(line.startswith(row) and line.endswith(f"| {known.meaning} |") for line in page.splitlines()), row
