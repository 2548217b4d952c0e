"""The numbers that tune a policy, as they stand in PolicyEnabled and in every decision."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from contracts.errors import TipstreamError
from projections.folds.learning import LEAST_GAMMA


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that a policy may take: from `low` to `high`, held by the field of PolicyParams named `field`."""

    field: str
    low: float
    high: float
    meaning: str


PARAMETERS = {
    "alpha": Parameter("alpha", 0.0, 100.0, "weight of the bonus for what is not known yet"),
    "nu": Parameter("nu", 0.0, 100.0, "how widely theta is sampled, in standard deviations"),
    "temperature": Parameter("temperature", 1e-3, 1e3, "difference in score at which a candidate is e times likelier"),
    "lambda": Parameter("lam", 1e-6, 1e6, "ridge prior, in pulls"),
    "epsilon": Parameter("epsilon", 0.0, 1.0, "chance that any candidate alike is drawn"),
    "gamma": Parameter(
        "gamma", LEAST_GAMMA, 1.0, "weight left of a pull after the person's next one; 1 forgets nothing"
    ),
}
TAKEN = {
    "linucb": ("alpha", "lambda", "epsilon", "gamma"),
    "lints": ("nu", "lambda", "epsilon", "gamma"),
    "epsilon_greedy": ("lambda", "epsilon", "gamma"),
    "softmax": ("temperature", "lambda", "epsilon", "gamma"),
    "greedy": ("lambda", "epsilon", "gamma"),
    "random": ("lambda",),
}
"""Which parameters each policy takes, in the order in which they are shown."""


class ParamsError(TipstreamError):
    """A policy's parameter is unknown or out of range; `key` names it."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"policy parameter {key!r} {problem}")
        self.key = key
        self.problem = problem


@dataclass(frozen=True, slots=True)
class PolicyParams:
    """All parameters of all policies; `lam` is "lambda" in the log, `PARAMETERS` says what each means."""

    alpha: float = 0.5
    lam: float = 1.0
    epsilon: float = 0.05
    nu: float = 0.25
    temperature: float = 0.1
    gamma: float = 1.0

    @classmethod
    def parse(cls, params: Mapping[str, object]) -> Self:
        """From a logged mapping; what it leaves out has its default. Raises ParamsError.

        What another policy takes is let through: there are logs in which greedy has an alpha.
        """
        return replace(cls(), **_numbers(params))

    @classmethod
    def of(cls, policy: str, params: Mapping[str, object]) -> Self:
        """As `parse`, with the defaults of a policy, and without what it does not take and therefore does not log."""
        taken = {PARAMETERS[name].field for name in TAKEN[policy]}
        own = {field: number for field, number in _numbers(params).items() if field in taken}
        return replace(cls(), **_DEFAULTS.get(policy, {}) | own)

    def logged(self, policy: str) -> dict[str, float]:
        """Those that a policy takes, as its decisions log them."""
        return {name: getattr(self, PARAMETERS[name].field) for name in TAKEN[policy]}


def check(policy: str, params: Mapping[str, object]) -> None:
    """Raise ParamsError for what a policy does not take, and for what is out of range."""
    for key in params:
        if key not in TAKEN[policy]:
            raise ParamsError(key, f"is not one of {policy}'s; it takes {', '.join(TAKEN[policy])}")
    _numbers(params)


_DEFAULTS = {"epsilon_greedy": {"epsilon": 0.1}}


def _numbers(params: Mapping[str, object]) -> dict[str, float]:
    """The fields that a mapping sets."""
    numbers: dict[str, float] = {}
    for key, value in params.items():
        known = PARAMETERS.get(key)
        if known is None:
            raise ParamsError(key, f"is unknown; there are {', '.join(PARAMETERS)}")
        low, high = known.low, known.high
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ParamsError(key, f"must be a number from {low:g} to {high:g}")
        numbers[known.field] = float(value)
    return numbers
