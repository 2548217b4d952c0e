"""Putting a model into shadow and withdrawing it: one signed event each, of which the first carries the prior."""

import asyncio

from contracts.events.admin import ModelShadowed, ModelWithdrawn
from contracts.events.base import Id, Part, Text
from ml.registry.registry import SHADOW
from services.api.admin.actor import Operator
from services.api.admin.commands import command, turn
from services.api.admin.model_shadows import in_shadow, model_shadows
from services.api.admin.promotions import Consequence, Followed, follow, promotable, standing
from services.api.admin.router import admin_router
from services.api.parts import Parts, PartsOf
from services.problems import Problem

router = admin_router("/models")


class ShadowOrder(Part):
    """Which version is to score along, or no longer."""

    model_version: Id
    reason: Text | None = None


@router.post("/shadow", status_code=202)
async def post_shadow(order: ShadowOrder, parts: PartsOf, actor: Operator) -> Followed:
    """Let a registered version's prior score along, in the place of the one of its feature set that does."""
    return await shadow(parts, order, actor)


@router.post("/withdraw", status_code=202)
async def post_withdraw(order: ShadowOrder, parts: PartsOf, actor: Operator) -> Followed:
    """Let a version score along no longer, whether MLflow is there or not."""
    return await withdraw(parts, order, actor)


async def shadow(parts: Parts, order: ShadowOrder, actor: str) -> Followed:
    """Publish that it scores along. Raises Problem: 404, 409 for an incomplete card or one that is live or in shadow
    already, 503."""
    version, prior, _ = await promotable(parts, order.model_version)
    async with turn(parts):
        live, along = await asyncio.to_thread(_standing, parts, prior.feature_set)
        for place, its in (("live, so that every score starts from it", live), ("in shadow already", along)):
            if its == version.id:
                raise Problem(409, "It cannot score along", f"{version.id} is {place}", field="model_version")
        done = await command(parts, ModelShadowed(**prior.told_of(version.id), reason=order.reason), actor)
    return await follow(parts, version.id, done, gains=SHADOW)


async def withdraw(parts: Parts, order: ShadowOrder, actor: str) -> Followed:
    """Publish that it no longer scores along. Raises Problem: 409 for one that does not, 503."""
    version = order.model_version
    async with turn(parts):
        shadows = await asyncio.to_thread(model_shadows, parts)
        along = next((one for one in shadows if one.model_version == version and one.until is None), None)
        if along is None:
            raise Problem(409, "Not in shadow", f"{version:.200} does not score along", field="model_version")
        event = ModelWithdrawn(model_version=version, feature_set=along.feature_set, reason=order.reason)
        done = await command(parts, event, actor)
    return await follow(parts, version, done, loses=SHADOW)


async def shadow_consequence(parts: Parts, feature_set: str, model_version: str) -> Consequence:
    """What would change if this version went into shadow now."""
    _, along = await asyncio.to_thread(_standing, parts, feature_set)
    said = [
        f"{feature_set} in shadow: {along or 'none'} → {model_version}",
        "Each decision is made again under its prior by the policy that made it, and nobody is shown that.",
        "How often it agrees and what it would have earned stands in the list of versions.",
    ]
    return Consequence(model_version=model_version, said=said)


def _standing(parts: Parts, feature_set: str) -> tuple[str | None, str | None]:
    """The versions that are live and in shadow."""
    stack, along = standing(parts, feature_set), in_shadow(parts, feature_set)
    return stack[-1]["model_version"] if stack else None, along.model_version if along is not None else None
