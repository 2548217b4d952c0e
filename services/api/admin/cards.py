"""A version's card as it reads today: what was registered, what it showed in shadow, its rollouts so far, and the
people erased since."""

import asyncio
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from contracts.events.admin import (
    ModelPromoted,
    ModelShadowed,
    ModelWithdrawn,
    PolicyDisabled,
    PolicyEnabled,
    PolicyPromoted,
    PolicyShadowed,
    UserErased,
)
from contracts.events.base import Id
from ml.registry.card import Card, lacks, markdown
from ml.registry.registry import NotRegistered, Registry, RegistryAway, Version
from projections.folds.tables import ADMIN_ACTIONS
from services.api.admin.model_shadows import CountedShadow, shadow_of
from services.api.admin.router import admin_router
from services.api.admin.rows import present
from services.api.parts import Parts, PartsOf
from services.problems import Problem

router = admin_router("/models")

MOST = 10_000
PROMOTED, SHADOWED, WITHDRAWN = ModelPromoted.ce_type(), ModelShadowed.ce_type(), ModelWithdrawn.ce_type()
CHANGES = tuple(kind.ce_type() for kind in (PolicyEnabled, PolicyDisabled, PolicyShadowed, PolicyPromoted))
"""What becomes of policies."""


class Rollout(BaseModel):
    """An event of a version's history: it went into shadow, was promoted or replaced, or a policy changed while it was
    live."""

    seq: int
    occurred_at: datetime
    actor: str
    said: str
    reason: str | None


class Story(BaseModel):
    """A card with what came after it; `card` is None for a version that has none, and `lacks` says what is missing.

    `erased_since` counts people erased after its log was read, whose reactions the prior may still hold; cards of
    earlier releases do not say when that was, and count from the end of the data window.
    """

    model_version: str
    card: Card | None
    lacks: list[str]
    shadow: CountedShadow | None
    rollouts: list[Rollout]
    erased_since: int
    text: str


@router.get("/card")
async def get_card(version: Id, parts: PartsOf) -> Story:
    """The card of a version (`name/version`) as data and as Markdown, read now."""
    registry = Registry(parts.mlflow)
    try:
        return await story(parts, await registry.version(version))
    except NotRegistered as problem:
        raise Problem(404, "Not Found", str(problem), field="version") from None
    except RegistryAway as problem:
        raise Problem.unavailable(str(problem)) from None


async def training_window(parts: Parts, model_version: str) -> tuple[int, int]:
    """The first and the last sequence that a version was fitted on. Raises Problem 404 and 409 naming `model`, 503."""
    registry = Registry(parts.mlflow)
    try:
        window = (await registry.card(await registry.version(model_version))).window
    except NotRegistered as problem:
        raise Problem(404, "Not Found", str(problem), field="model") from None
    except RegistryAway as problem:
        raise Problem.unavailable(str(problem)) from None
    if window is None:
        raise Problem(409, "No training window", f"the card of {model_version} names no data window", field="model")
    return window.first_seq, window.last_seq


async def story(parts: Parts, version: Version) -> Story:
    """The card of a version and what happened since. Raises RegistryAway."""
    card: Card | None = None
    try:
        card = await Registry(parts.mlflow).card(version)
        missing = lacks(card)
    except NotRegistered as problem:
        missing = [str(problem)]
    shadow, past, erased = await asyncio.gather(
        shadow_of(parts, version.id),
        asyncio.to_thread(rollouts, parts, version.id),
        asyncio.to_thread(erased_since, parts, _read_at(card)),
    )
    found = Story(
        model_version=version.id, card=card, lacks=missing, shadow=shadow, rollouts=past, erased_since=erased,
        text=version.text or "",
    )  # fmt: skip
    return found.model_copy(update={"text": told(found)}) if card is not None else found


def told(found: Story) -> str:
    """The card in Markdown with its history."""
    if found.card is None:
        return found.text
    lines = [markdown(found.card), "## In shadow", "", *_shown_in_shadow(found.shadow), "", "## Rollout history", ""]
    if all(one.said != "promoted" for one in found.rollouts):
        lines += ["Never promoted.", ""]
    lines += [f"- {one.occurred_at:%Y-%m-%d %H:%M} {one.said}, by {one.actor}{_why(one)}" for one in found.rollouts]
    lines += ["", "## People erased since", ""]
    if found.erased_since:
        again = "Train again to un-learn what the prior may hold of them."
        lines.append(f"{found.erased_since:,} after its log was read. {again}")
    else:
        lines.append("None after its log was read.")
    return "\n".join([*lines, ""])


def rollouts(parts: Parts, model_version: str) -> list[Rollout]:
    """When a version went into shadow, was promoted and replaced, and what policies did while it was live; in stream
    order."""
    kinds = (PROMOTED, SHADOWED, WITHDRAWN, *CHANGES)
    rows = [row for kind in kinds for row in parts.read_model.admin_actions(MOST, kind=kind)]
    found: list[Rollout] = []
    live: dict[str, bool] = {}
    along: dict[str, bool] = {}
    for row in sorted(rows, key=lambda row: int(row["seq"])):
        shown = present(ADMIN_ACTIONS, row)
        body, kind, said = shown["body"], shown["type"], ""
        its = body.get("model_version") == model_version
        if kind == PROMOTED:
            said = _taken(live, body, its, "promoted", "replaced by")
            along[body["feature_set"]] = along.get(body["feature_set"], False) and not its
        elif kind == SHADOWED:
            said = _taken(along, body, its, "put into shadow", "replaced in shadow by")
        elif kind == WITHDRAWN:
            along[body["feature_set"]] = along.get(body["feature_set"], False) and not its
            said = "withdrawn from shadow" if its else ""
        elif any(live.values()):
            said = f"{body['policy']} {kind.split('.')[2]}"
        if said:
            one = {"said": said, **{name: shown[name] for name in ("seq", "occurred_at", "actor", "reason")}}
            found.append(Rollout.model_validate(one))
    return found


def _taken(places: dict[str, bool], body: dict[str, Any], its: bool, came: str, went: str) -> str:
    """Give the place of a feature set to the version that an event names, which may be the one told of (`its`)."""
    was, places[body["feature_set"]] = places.get(body["feature_set"], False), its
    return came if its else f"{went} {body['model_version']}" if was else ""


def erased_since(parts: Parts, seq: int) -> int:
    """How many people were erased after a place of the log."""
    receipts = parts.read_model.admin_actions(MOST, kind=UserErased.ce_type())
    # An erasure may need several receipts.
    return len({present(ADMIN_ACTIONS, row)["body"]["erasure_id"] for row in receipts if int(row["seq"]) > seq})


def _read_at(card: Card | None) -> int:
    """The place of the log after which a receipt is of somebody whom the prior may hold."""
    if card is None or card.window is None:
        return 0
    window = card.window
    return window.last_seq if window.erased_upto is None else window.erased_upto


def _why(one: Rollout) -> str:
    return f": {one.reason}" if one.reason else ""


def _shown_in_shadow(shadow: CountedShadow | None) -> list[str]:
    if shadow is None:
        return ["It has not scored along."]
    until = f" until {shadow.until:%Y-%m-%d %H:%M}, when it was {shadow.ended}" if shadow.until is not None else ""
    said = [f"In shadow from {shadow.since:%Y-%m-%d %H:%M}{until}."]
    if shadow.problem:
        return [*said, f"What it has shown is not known now: {shadow.problem}"]
    if not shadow.decisions or shadow.agreement is None:
        return [*said, "No decision was made again under it yet."]
    said.append(f"{shadow.decisions:,} decisions were made again under it, {shadow.agreement:.1%} with the same tip.")
    if shadow.interval is not None and shadow.shown_reward is not None:
        earned = f"what was shown earned {shadow.shown_reward:.3f}"
        said.append(f"It would have earned {shadow.interval} a decision, by SNIPS with its 95 % interval; {earned}.")
    return said
