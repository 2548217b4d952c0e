"""The policy registry: which policy decides, which scores along, and the commands that change it."""

from asyncio import to_thread
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from contracts.events.admin import Params, PolicyDisabled, PolicyEnabled, PolicyPromoted, PolicyShadowed
from contracts.events.base import Name, Part, SignedEvent, Text
from ml.policies.params import ParamsError, check
from ml.policies.registry import POLICIES
from projections.folds.tables import POLICIES as TABLE
from services.api.admin.actor import Operator
from services.api.admin.commands import Commanded, command, forced, seen, turn
from services.api.admin.ladder import Shadowed, check_arm, check_climb, policies, shadowed
from services.api.admin.router import admin_router
from services.api.admin.rows import row_model
from services.api.parts import Parts, PartsOf
from services.problems import Problem

router = admin_router("/policies")

LEAST = 1e-6
"""The least weight and share: of a million people one."""


class PolicyChange(Part):
    """`promote` makes a policy the only live one; `enable` adds it for its weight's share of people; `rollout` gives it
    this share of all people and scales the others down. A policy that has not shadowed for long enough is refused,
    unless `force` is given with a reason.
    """

    policy: Name
    action: Literal["enable", "disable", "shadow", "rollout", "promote"]
    params: Params = Field(default_factory=dict, description="empty: as they were")
    weight: Annotated[float, Field(ge=LEAST, le=1)] = 1.0
    share: Annotated[float | None, Field(ge=LEAST, le=1 - LEAST, description="of all people, for `rollout`")] = None
    force: bool = False
    reason: Text | None = None


@router.get("", response_model=list[row_model(TABLE)])  # type: ignore[misc]
def get_policies(parts: PartsOf) -> list[dict[str, Any]]:
    """Every policy named so far with its standing, weight and parameters."""
    return policies(parts)


@router.get("/shadows")
async def get_shadows(parts: PartsOf) -> list[Shadowed]:
    """Each policy in shadow: how far it is, how often it agrees, and the reward that it would have got."""
    return await shadowed(parts)


@router.post("", status_code=202)
async def post_policy(change: PolicyChange, parts: PartsOf, actor: Operator) -> Commanded:
    """Shadow a policy, roll it out to a share of people, enable, promote or disable it."""
    return await seen(parts, await change_policy(parts, change, actor))


async def change_policy(parts: Parts, change: PolicyChange, actor: str) -> Commanded:
    """Publish the change. Raises Problem for a policy that is not known, or a parameter that it does not take."""
    if (change.action == "rollout") != (change.share is not None):
        raise Problem.invalid([("share", "goes with the action rollout, and only with that")])
    if change.policy not in POLICIES:
        raise Problem.invalid([("policy", f"is unknown; there are {', '.join(sorted(POLICIES))}")])
    try:
        check(change.policy, change.params)
    except ParamsError as error:
        raise Problem.invalid([(f"params.{error.key}", error.problem)]) from None
    if change.action == "disable" or (change.action == "shadow" and not change.params):
        # Depends on nothing that stands: who takes a policy back waits for nobody.
        return await command(parts, _event(change), actor)
    async with turn(parts):
        if change.action == "shadow":
            await check_arm(parts, change.policy, change.params, force=change.force)
        else:
            await check_climb(parts, change.policy, change.params, force=change.force, reason=change.reason)
        others = await _scaled_down(parts, change) if change.action == "rollout" else []
        for event in [*others, _event(change)]:
            commanded = await command(parts, event, actor)
    return commanded


def _event(change: PolicyChange) -> SignedEvent:
    """What the change does to its own policy. Raises Problem when it is forced without a reason."""
    policy, reason = change.policy, forced(change.reason) if change.force else change.reason
    match change.action:
        case "shadow":
            return PolicyShadowed(policy=policy, params=change.params, reason=reason)
        case "promote":
            return PolicyPromoted(policy=policy, params=change.params, reason=reason)
        case "disable":
            return PolicyDisabled(policy=policy, reason=reason)
    return PolicyEnabled(policy=policy, params=change.params, weight=change.share or change.weight, reason=reason)


async def _scaled_down(parts: Parts, change: PolicyChange) -> list[SignedEvent]:
    """What a rollout leaves to the others that decide. Raises Problem when there are none to share people with, or when
    it would leave one of them next to nobody."""
    live = {row["policy"]: row["weight"] for row in await to_thread(policies, parts) if row["standing"] == "live"}
    live.pop(change.policy, None)
    if not live:
        raise Problem(409, "Nobody to share with", "no other policy is live; promote this one", field="share")
    assert change.share is not None
    reason = forced(change.reason) if change.force else change.reason
    shares = sorted(scaled(live, change.share).items())
    if lost := " and ".join(other for other, weight in shares if weight < LEAST):
        said = f"it would leave less than {LEAST:g} of all people to {lost}: disable {lost} first"
        raise Problem(409, "Next to nobody left", said, field="share")
    return [PolicyEnabled(policy=other, weight=weight, reason=reason) for other, weight in shares]


def scaled(weights: Mapping[str, float], share: float) -> dict[str, float]:
    """What is left of the weights of those that decide, at least one, once another has this share of all people."""
    left = (1 - share) / sum(weights.values())
    return {policy: weight * left for policy, weight in weights.items()}
