"""The policy registry: which policy decides, which scores along, and the commands that change it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field

from contracts.events.admin import Params, PolicyDisabled, PolicyEnabled, PolicyPromoted, PolicyShadowed
from contracts.events.base import Name, Part, SignedEvent, Text
from ml.policies.params import ParamsError, check
from ml.policies.registry import POLICIES
from projections.folds.tables import POLICIES as TABLE
from services.api.admin.actor import Operator
from services.api.admin.commands import Commanded, command
from services.api.admin.rows import present, row_model
from services.api.parts import Parts, PartsOf
from services.problems import Problem

router = APIRouter(prefix="/policies")


class PolicyChange(Part):
    """`promote` makes a policy the only live one; `enable` adds it for its weight's share of people."""

    policy: Name
    action: Literal["enable", "disable", "shadow", "promote"]
    params: Params = Field(default_factory=dict, description="empty: as they were")
    weight: Annotated[float, Field(gt=0, le=1)] = 1.0
    reason: Text | None = None


@router.get("", response_model=list[row_model(TABLE)])  # type: ignore[misc]
def get_policies(parts: PartsOf) -> list[dict[str, Any]]:
    """Every policy named so far with its standing, weight and parameters."""
    return policies(parts)


@router.post("", status_code=202)
async def post_policy(change: PolicyChange, parts: PartsOf, actor: Operator) -> Commanded:
    """Enable, disable, shadow or promote a policy."""
    return await change_policy(parts, change, actor)


def policies(parts: Parts) -> list[dict[str, Any]]:
    """The rows of the registry."""
    return [present(TABLE, row) for row in parts.read_model.policies()]


async def change_policy(parts: Parts, change: PolicyChange, actor: str) -> Commanded:
    """Publish the change. Raises Problem for a policy that is not known, or a parameter that it does not take."""
    if change.policy not in POLICIES:
        raise Problem.invalid([("policy", f"is unknown; there are {', '.join(sorted(POLICIES))}")])
    try:
        check(change.policy, change.params)
    except ParamsError as error:
        raise Problem.invalid([(f"params.{error.key}", error.problem)]) from None
    return await command(parts, _event(change), actor)


def _event(change: PolicyChange) -> SignedEvent:
    policy, reason = change.policy, change.reason
    if change.action == "enable":
        return PolicyEnabled(policy=policy, params=change.params, weight=change.weight, reason=reason)
    if change.action == "shadow":
        return PolicyShadowed(policy=policy, params=change.params, reason=reason)
    if change.action == "promote":
        return PolicyPromoted(policy=policy, params=change.params, reason=reason)
    return PolicyDisabled(policy=policy, reason=reason)
