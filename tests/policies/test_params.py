"""Policy parameters as they come from the log and go back to it."""

import math

import pytest

from ml.policies.params import ParamsError, PolicyParams


def test_what_is_left_out_has_its_default() -> None:
    assert PolicyParams.parse({}) == PolicyParams(alpha=0.5, lam=1.0, epsilon=0.05)
    assert PolicyParams.parse({"epsilon": 0}) == PolicyParams(epsilon=0.0)


def test_what_is_logged_parses_to_the_same_parameters() -> None:
    params = PolicyParams(alpha=1.25, lam=3.0, epsilon=0.1)
    assert params.logged() == {"alpha": 1.25, "lambda": 3.0, "epsilon": 0.1}
    assert PolicyParams.parse(params.logged()) == params


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gamma", 1.0),
        ("lam", 1.0),
        ("alpha", -0.1),
        ("alpha", math.nan),
        ("alpha", math.inf),
        ("alpha", "0.5"),
        ("alpha", None),
        ("lambda", 0),
        ("lambda", True),
        ("epsilon", 1.01),
        ("epsilon", 10**400),
    ],
)
def test_a_parameter_that_can_not_be_meant_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ParamsError, match=key) as caught:
        PolicyParams.parse({key: value})
    assert caught.value.key == key
