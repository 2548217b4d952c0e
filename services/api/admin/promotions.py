"""Promoting a model and rolling back: each is one signed event that carries its prior, so scorers need no registry."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from contracts.events.admin import ModelPromoted, ModelShadowed
from contracts.events.base import Id, Name, Part, Text
from contracts.feature_sets import CURRENT, DIMENSIONS
from ml.policies.posterior import Prior, SumsError, posterior
from ml.registry.card import Card, lacks
from ml.registry.registry import CHAMPION, SHADOW, NotRegistered, Registry, RegistryAway, StoredPrior, Version
from projections.folds.tables import ADMIN_ACTIONS
from services.api.admin.actor import Operator
from services.api.admin.cards import Story, story, told
from services.api.admin.commands import FORCIBLE, Commanded, command, folded, forced, turn
from services.api.admin.router import admin_router
from services.api.admin.rows import present
from services.api.parts import Parts, PartsOf
from services.problems import Problem

router = admin_router("/models")

MOST = 10_000
NEUTRAL = "neutral"
"""The version that stands for no model, as it was before the first promotion; A0 = I and b0 = 0 only fill its event."""


class PromotionOrder(Part):
    """`force` promotes a version whose fairness checks failed, and needs a reason; an incomplete card stays refused."""

    model_version: Id
    force: bool = False
    reason: Text | None = None


class RollbackOrder(Part):
    """Back to the model that was promoted before the live one of this feature set."""

    feature_set: Name = CURRENT
    reason: Text | None = None


class Followed(Commanded):
    """The command about a version stands in the stream at `seq`; `note` says what the registry did not take of it."""

    model_version: str
    note: str = Field(default="", description="empty when MLflow's aliases and card follow")


class Consequence(BaseModel):
    """What promoting or rolling back would do, in words."""

    model_version: str
    said: list[str]


@router.post("/promote", status_code=202)
async def post_promote(order: PromotionOrder, parts: PartsOf, actor: Operator) -> Followed:
    """Let a registered version's prior join every score from now on."""
    return await promote(parts, order, actor)


@router.post("/rollback", status_code=202)
async def post_rollback(order: RollbackOrder, parts: PartsOf, actor: Operator) -> Followed:
    """Go back to the version before, from the log alone: one event, whether MLflow is there or not."""
    return await roll_back(parts, order, actor)


async def promote(parts: Parts, order: PromotionOrder, actor: str) -> Followed:
    """Publish the promotion. Raises Problem: 404, 409 for an incomplete card or a failed check, 422, 503."""
    version, prior, card = await promotable(parts, order.model_version)
    if card.failed:
        names = "; ".join(f"{check.name} ({check.said})" for check in card.failed)
        if not order.force:
            raise Problem(409, "Fairness checks failed", f"{names}. {FORCIBLE}", field="model_version")
    reason = forced(order.reason) if card.failed else order.reason
    async with turn(parts):
        stack = await asyncio.to_thread(standing, parts, prior.feature_set)
        if stack and stack[-1]["model_version"] == version.id:
            # A second promotion would be what the next roll-back goes back to.
            raise Problem(409, "It is live", f"every score starts from {version.id} already", field="model_version")
        done = await command(parts, ModelPromoted(**prior.told_of(version.id), reason=reason), actor)
    note = await _crowned(parts, prior.feature_set, version.id, done.seq)
    return Followed(**done.model_dump(), model_version=version.id, note=note)


async def roll_back(parts: Parts, order: RollbackOrder, actor: str) -> Followed:
    """Publish the promotion of the version before. Raises Problem: 409 when no model is live, 503."""
    async with turn(parts):
        stack = await asyncio.to_thread(standing, parts, order.feature_set)
        event = previous(stack, order.feature_set, order.reason)
        done = await command(parts, event, actor)
    if event.model_version != NEUTRAL:
        note = await _crowned(parts, order.feature_set, event.model_version, done.seq)
    else:
        note = await _followed(parts, stack[-1]["model_version"], done.seq, loses=CHAMPION)
        note = note or await _dethroned(parts, order.feature_set, done.seq)
    return Followed(**done.model_dump(), model_version=event.model_version, note=note)


async def promotable(parts: Parts, identifier: str) -> tuple[Version, StoredPrior, Card]:
    """A version that may shadow and be promoted. Raises Problem naming what its card lacks, or whose id it has."""
    if parts.settings.mlflow == "off":
        said = "MLflow is switched off (TIPSTREAM_MLFLOW=off); rolling back and withdrawing need none"
        raise Problem(409, "No registry", said)
    registry = Registry(parts.mlflow)
    try:
        version = await registry.version(identifier)
    except NotRegistered as problem:
        raise Problem(404, "Not Found", str(problem), field="model_version") from None
    except RegistryAway as problem:
        raise Problem.unavailable(str(problem)) from None
    try:
        card, prior = await registry.card(version), await registry.prior(version)
    except NotRegistered as problem:
        raise _incomplete(f"{problem}: train it with `tipstream train`") from None
    except RegistryAway as problem:
        raise Problem.unavailable(str(problem)) from None
    missing = lacks(card)
    if missing:
        raise _incomplete(f"the card of {identifier} lacks {', '.join(missing)}")
    if not prior.holds(card.digest) or card.feature_set != prior.feature_set:
        raise _incomplete(f"the card of {identifier} is of another prior than the version's: the digests differ")
    try:
        posterior(np.zeros_like(prior.a0), np.zeros_like(prior.b0), prior=Prior(prior.a0, prior.b0))
    except SumsError:
        raise _incomplete(
            f"the prior of {identifier} is not positive definite: no score could be made from it"
        ) from None
    await asyncio.to_thread(_check_id, parts, identifier, prior)
    return version, prior, card


def previous(stack: Sequence[Mapping[str, Any]], feature_set: str, reason: str | None = None) -> ModelPromoted:
    """The promotion that goes back by one from those that stand. Raises Problem 409 when no model is live."""
    if not stack:
        raise Problem(409, "Nothing to go back to", f"no model of {feature_set} is live", field="feature_set")
    d = DIMENSIONS[feature_set]
    neutral: Mapping[str, Any] = {"model_version": NEUTRAL, "a0": np.eye(d).tolist(), "b0": [0.0] * d}
    body = stack[-2] if len(stack) > 1 else neutral
    return ModelPromoted(
        **{name: body[name] for name in neutral},
        feature_set=feature_set,
        reason=reason,
        rolled_back=stack[-1]["model_version"],
        no_model=True if body is neutral else None,
    )


def standing(parts: Parts, feature_set: str) -> list[dict[str, Any]]:
    """The promotions that stand, the live one last: going back takes one off, so that going back twice goes further."""
    stack: list[dict[str, Any]] = []
    for body in _promoted(parts, feature_set):
        if body["model_version"] == NEUTRAL:
            stack.clear()
        elif body.get("rolled_back") is not None:
            stack = [*stack[:-2], body]
        else:
            stack.append(body)
    return stack


def _check_id(parts: Parts, identifier: str, prior: StoredPrior) -> None:
    """Raises Problem 409 where the log knows an id by another prior: a registry that was emptied gives its ids again,
    and an id means one prior for ever."""
    told = prior.told_of(identifier)
    for kind in (ModelShadowed, ModelPromoted):
        for row in parts.read_model.admin_actions(MOST, kind=kind.ce_type()):
            body = present(ADMIN_ACTIONS, row)["body"]
            if body["model_version"] == identifier and any(body[name] != value for name, value in told.items()):
                said = f"event {row['seq']} names {identifier} with another prior, from before the registry was emptied"
                detail = f"{said}; run `tipstream train` again, which registers under an id that is free"
                raise Problem(409, "The id is another version's", detail, field="model_version")


def _promoted(parts: Parts, feature_set: str) -> list[dict[str, Any]]:
    """Every promotion of a feature set, in order."""
    rows = parts.read_model.admin_actions(MOST, kind=ModelPromoted.ce_type())
    bodies = [present(ADMIN_ACTIONS, row)["body"] for row in reversed(rows)]
    return [body for body in bodies if body["feature_set"] == feature_set]


async def consequence(parts: Parts, feature_set: str, model_version: str) -> Consequence:
    """What would change if this version were promoted now."""
    stack = await asyncio.to_thread(standing, parts, feature_set)
    now = stack[-1]["model_version"] if stack else NEUTRAL
    said = [
        f"{feature_set}: {now} → {model_version}",
        "Every score from the event on starts from that prior, for everybody; what was learned of each person stays.",
        "Nothing is restarted, and decisions made before it still recompute from the prior of their time.",
        "One click goes back.",
    ]
    return Consequence(model_version=model_version, said=said)


async def follow(
    parts: Parts, identifier: str, done: Commanded, *, gains: str | None = None, loses: str | None = None
) -> Followed:
    """The answer to a command about a version, once MLflow's aliases and card follow, or why they do not."""
    note = await _followed(parts, identifier, done.seq, gains=gains, loses=loses)
    return Followed(**done.model_dump(), model_version=identifier, note=note)


async def _followed(
    parts: Parts, identifier: str, seq: int, *, gains: str | None = None, loses: str | None = None
) -> str:
    """Move aliases and tell the story on the version's card in MLflow, once an event is folded; why not, in words."""
    if parts.settings.mlflow == "off":
        return ""
    await folded(parts, seq)
    registry = Registry(parts.mlflow)
    try:
        version = await registry.version(identifier)
        if gains is not None:
            await registry.point(version, gains)
        if loses is not None and loses in version.aliases:
            await registry.release(version, loses)
        found: Story = await story(parts, version)
        await registry.describe(version, told(found))
    except (RegistryAway, NotRegistered) as problem:
        return f"aliases and card in MLflow stay as they were: {problem}"
    return ""


async def _crowned(parts: Parts, feature_set: str, identifier: str, seq: int) -> str:
    """Make the version that is live the champion, the only one of its feature set; why not, in words."""
    note = await _followed(parts, identifier, seq, gains=CHAMPION, loses=SHADOW)
    return note or await _dethroned(parts, feature_set, seq)


async def _dethroned(parts: Parts, feature_set: str, seq: int) -> str:
    """Take the alias champion from whatever was live before, once a promotion is folded; why not, in words.

    MLflow moves an alias within a model: another model's version keeps its own, as all do while MLflow is away.
    """
    if parts.settings.mlflow == "off":
        return ""
    left = "versions that are no longer live may still have the alias champion in MLflow"
    if not await folded(parts, seq):
        return f"{left}: the read model has not folded event {seq}; see health"
    *before, live = [body["model_version"] for body in await asyncio.to_thread(_promoted, parts, feature_set)]
    registry = Registry(parts.mlflow)
    try:
        for identifier in await registry.bearing(CHAMPION):
            if identifier in before and identifier != live:
                await registry.release(await registry.version(identifier), CHAMPION)
    except (RegistryAway, NotRegistered) as problem:
        return f"{left}: {problem}"
    return ""


def _incomplete(detail: str) -> Problem:
    title = "A version without a complete card can neither shadow nor be promoted"
    return Problem(409, title, detail, field="model_version")
