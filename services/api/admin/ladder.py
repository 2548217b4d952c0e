"""The ladder that a policy climbs before it decides for people: disabled, shadow, a share of people, live.

Whether it may climb is read from the log: how long it has scored along with the parameters that it is to have.
"""

from asyncio import to_thread
from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import BaseModel

from projections.folds.tables import POLICIES
from services.api.admin.commands import FORCIBLE, forced
from services.api.admin.reports import report
from services.api.admin.rows import present
from services.api.parts import Parts
from services.bootstrap import ACTOR
from services.bus.errors import BusUnavailable, RequestFailed
from services.problems import Problem


class ShadowFirst(Problem):
    """409: a policy may not decide for people yet; with `force` and a reason it may."""

    def __init__(self, why: str) -> None:
        super().__init__(409, "A policy shadows before it decides for people", f"{why}. {FORCIBLE}", field="policy")


class Figures(BaseModel):
    """What a shadow has shown: agreement with what was shown, the reward it would have got beside the one that was,
    the number of decisions that the estimate is worth, and time taken."""

    agreement: float | None = None
    shown_reward: float | None = None
    estimate: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    effective: float | None = None
    mean_latency_us: float | None = None
    p99_latency_us: float | None = None

    @property
    def interval(self) -> str | None:
        """The estimate with its 95 % interval, None while there is none."""
        if self.estimate is None or self.ci_low is None or self.ci_high is None:
            return None
        return f"{self.estimate:.3f} ({self.ci_low:.3f} to {self.ci_high:.3f})"


class Shadowed(Figures):
    """How far a policy in shadow is: what it has scored along since it went there, and what it needs to climb."""

    policy: str
    policy_version: int
    decisions: int = 0
    days: int = 0
    needed_decisions: int
    needed_days: int

    @property
    def missing(self) -> list[str]:
        """What it lacks, in words; empty when it may climb."""
        needs = {
            "more decisions": self.needed_decisions - self.decisions,
            "more days with decisions": self.needed_days - self.days,
        }
        return [f"{left:,} {unit}" for unit, left in needs.items() if left > 0]


def policies(parts: Parts) -> list[dict[str, Any]]:
    """The rows of the registry."""
    return [present(POLICIES, row) for row in parts.read_model.policies()]


async def shadowed(parts: Parts) -> list[Shadowed]:
    """Every policy in shadow with what it has shown there. Raises BusUnavailable, RequestFailed."""
    standing = [row for row in await to_thread(policies, parts) if row["standing"] == "shadow"]
    found = {(row["policy"], row["policy_version"]): row for row in await report(parts, "shadows")}
    needed = {"needed_decisions": parts.settings.shadow_decisions, "needed_days": parts.settings.shadow_days}
    nothing = {"decisions": 0, "days": 0}
    return [
        Shadowed.model_validate(
            found.get(key := (row["policy"], row["version"]), nothing)
            | needed
            | dict(zip(("policy", "policy_version"), key, strict=True))
        )
        for row in standing
    ]


async def check_climb(
    parts: Parts, policy: str, params: Mapping[str, float], *, force: bool, reason: str | None
) -> None:
    """See that a policy may decide for people: that it has shadowed for long enough with these parameters (none given:
    as they were), is live with them, or was until a person, and no guardrail, took it back. Raises ShadowFirst,
    Problem.

    Forcing it needs a reason, which stands in the log with the change.
    """
    if force:
        forced(reason)
        return
    row = await _row_of(parts, policy)
    standing = row["standing"] if row is not None else "disabled"
    if row is not None and params and dict(params) != row["params"]:
        raise ShadowFirst(f"{policy} is {standing} with other parameters: let it shadow with these first")
    if standing == "disabled":
        # What a guardrail took back proves itself again, and so does what has other parameters since.
        if await to_thread(parts.read_model.proven, policy, ACTOR):
            return
        raise ShadowFirst(f"{policy} is disabled: let it shadow first, where it scores along and touches nobody")
    if standing == "shadow":
        try:
            missing = next((one.missing for one in await shadowed(parts) if one.policy == policy), [])
        except (BusUnavailable, RequestFailed) as problem:
            detail = f"whether {policy} has shadowed for long enough is not known at the moment: {problem}"
            raise Problem.unavailable(detail) from None
        if missing:
            raise ShadowFirst(f"{policy} has not shadowed for long enough: it still needs {' and '.join(missing)}")


async def check_arm(parts: Parts, policy: str, params: Mapping[str, float], *, force: bool) -> None:
    """See that a policy gets no other parameters while an experiment lets it decide, which would be for people at once.
    Raises ShadowFirst.
    """
    if force:
        return
    row = await _row_of(parts, policy)
    if row is not None and dict(params) == row["params"]:
        return
    for running in await to_thread(parts.read_model.running):
        if any(arm["policy"] == policy for arm in orjson.loads(running["arms"])):
            said = f"{policy} decides for people in experiment {running['experiment_id']}; stop that first"
            raise ShadowFirst(f"with other parameters it would at once: {said}")


async def _row_of(parts: Parts, policy: str) -> dict[str, Any] | None:
    """A policy's row of the registry, None for one that nobody named so far."""
    return next((row for row in await to_thread(policies, parts) if row["policy"] == policy), None)
