"""The numbers that tune a policy, as they stand in PolicyEnabled and in every decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from contracts.errors import TipstreamError

_RANGES = {"alpha": (0.0, 100.0), "lambda": (1e-6, 1e6), "epsilon": (0.0, 1.0)}


class ParamsError(TipstreamError):
    """A policy's parameter is unknown or out of range; `key` names it."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"policy parameter {key!r} {problem}")
        self.key = key
        self.problem = problem


@dataclass(frozen=True, slots=True)
class PolicyParams:
    """`alpha` weighs the bonus, `lam` (in the log "lambda") the ridge prior, `epsilon` is the floor."""

    alpha: float = 0.5
    lam: float = 1.0
    epsilon: float = 0.05

    @classmethod
    def parse(cls, params: Mapping[str, object]) -> Self:
        """From a logged mapping; what it leaves out has its default. Raises ParamsError."""
        numbers: dict[str, float] = {}
        for key, value in params.items():
            if key not in _RANGES:
                raise ParamsError(key, f"is unknown; there are {', '.join(_RANGES)}")
            low, high = _RANGES[key]
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise ParamsError(key, f"must be a number from {low:g} to {high:g}")
            numbers["lam" if key == "lambda" else key] = float(value)
        return cls(**numbers)

    def logged(self) -> dict[str, float]:
        """All of them, as a decision logs them."""
        return {"alpha": self.alpha, "lambda": self.lam, "epsilon": self.epsilon}
