"""A version's card as it reads today: what was registered, its rollouts so far, and the people erased since."""

import asyncio
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from contracts.events.admin import (
    ModelPromoted,
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
from services.api.admin.rows import present
from services.api.parts import Parts, PartsOf
from services.problems import Problem

router = APIRouter(prefix="/models")

MOST = 10_000
ROLLOUTS = (ModelPromoted, PolicyEnabled, PolicyDisabled, PolicyShadowed, PolicyPromoted)


class Rollout(BaseModel):
    """An event of a version's history: it was promoted or replaced, or a policy changed while it was live."""

    seq: int
    occurred_at: datetime
    actor: str
    said: str
    reason: str | None


class Story(BaseModel):
    """A card with what came after it; `card` is None for a version that has none, and `lacks` says what is missing.

    `erased_since` counts people erased after the data window, whose reactions the prior may still hold.
    """

    model_version: str
    card: Card | None
    lacks: list[str]
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
    last_seq = card.window.last_seq if card is not None and card.window is not None else 0
    past, erased = await asyncio.gather(
        asyncio.to_thread(rollouts, parts, version.id), asyncio.to_thread(erased_since, parts, last_seq)
    )
    found = Story(
        model_version=version.id, card=card, lacks=missing, rollouts=past, erased_since=erased, text=version.text or ""
    )
    return found.model_copy(update={"text": told(found)}) if card is not None else found


def told(found: Story) -> str:
    """The card in Markdown with its history."""
    if found.card is None:
        return found.text
    lines = [markdown(found.card), "## Rollout history", ""]
    if found.rollouts:
        lines += [f"- {one.occurred_at:%Y-%m-%d %H:%M} {one.said}, by {one.actor}{_why(one)}" for one in found.rollouts]
    else:
        lines.append("Never promoted.")
    lines += ["", "## People erased since", ""]
    if found.erased_since:
        again = "Train again to un-learn what the prior may hold of them."
        lines.append(f"{found.erased_since:,} after the data window. {again}")
    else:
        lines.append("None after the data window.")
    return "\n".join([*lines, ""])


def rollouts(parts: Parts, model_version: str) -> list[Rollout]:
    """When a version was promoted and replaced, and what policies did while it was live; in stream order."""
    rows = [row for kind in ROLLOUTS for row in parts.read_model.admin_actions(MOST, kind=kind.ce_type())]
    found: list[Rollout] = []
    live: dict[str, bool] = {}
    for row in sorted(rows, key=lambda row: int(row["seq"])):
        shown = present(ADMIN_ACTIONS, row)
        body, said = shown["body"], ""
        if shown["type"] == ModelPromoted.ce_type():
            was, now = live.get(body["feature_set"], False), body["model_version"] == model_version
            live[body["feature_set"]] = now
            if now:
                said = "promoted"
            elif was:
                said = f"replaced by {body['model_version']}"
        elif any(live.values()):
            said = f"{body['policy']} {shown['type'].split('.')[2]}"
        if said:
            one = {"said": said, **{name: shown[name] for name in ("seq", "occurred_at", "actor", "reason")}}
            found.append(Rollout.model_validate(one))
    return found


def erased_since(parts: Parts, last_seq: int) -> int:
    """How many people were erased after a place of the log."""
    receipts = parts.read_model.admin_actions(MOST, kind=UserErased.ce_type())
    # An erasure may need several receipts.
    return len({present(ADMIN_ACTIONS, row)["body"]["erasure_id"] for row in receipts if int(row["seq"]) > last_seq})


def _why(one: Rollout) -> str:
    return f": {one.reason}" if one.reason else ""
