"""One decision explained: made again from what its person's own events had taught by then, and made anew today.

A score depends on its person's decisions, reactions and resets, on the catalog, on promoted models and on the
forgetting factors of policies: only these are read, up to the decision, never the whole log. What they cannot show is
that somebody else used one of the person's decision ids before; `verify`, which reads everything, has the last word.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import orjson

from contracts.codec import Decoder
from contracts.envelope import Recorded
from contracts.events.person import InlineCandidate, TipScored
from contracts.feature_sets import DIMENSIONS
from contracts.subjects import PREFIX, learning_filters
from ml.features.definitions import FEATURE_SETS
from ml.policies.decision import CallRefused, Decider, ScoringCall
from ml.policies.recompute import Finding
from projections.audit import Past
from projections.folds.catalog import Tip
from projections.folds.learning import Person, Sums
from projections.folds.policies import Model, Policy
from projections.folds.projection import State, advance

CATALOG = f"{PREFIX}.catalog.*"
PROMOTIONS = f"{PREFIX}.admin.model.promoted.*"
POLICIES = f"{PREFIX}.admin.policy.*.*"
Row = Mapping[str, Any]


class Log(Protocol):
    """What an explanation asks of the bus."""

    def read(
        self, after: int, *, upto: int | None = None, subjects: Sequence[str] = ()
    ) -> AsyncIterator[list[Recorded]]: ...


class ReadSide(Protocol):
    """What an explanation asks of the read model."""

    def policies(self) -> Sequence[Row]: ...
    def tips(self, active: bool | None = None) -> Sequence[Row]: ...
    def sums(self, user_id: str) -> Sequence[Row]: ...


async def recomputed(log: Log, decoder: Decoder, seq: int, event: TipScored) -> Finding:
    """The decision at `seq` made again from the log. Folding a thousand of the person's events takes about 0.1 s."""
    past = Past(State())
    subjects = [*learning_filters(event.user_id), CATALOG, PROMOTIONS, POLICIES]
    if not event.external:
        async for batch in log.read(0, upto=seq, subjects=subjects):
            await asyncio.to_thread(_fold, past, decoder, batch)
    return past.check(event)


async def promoted(log: Log, decoder: Decoder, upto: int) -> list[Model]:
    """The models promoted so far, in stream order."""
    past = Past(State())
    async for batch in log.read(0, upto=upto, subjects=[PROMOTIONS]):
        await asyncio.to_thread(_fold, past, decoder, batch)
    return past.state.policies.models


def _fold(past: Past, decoder: Decoder, batch: Sequence[Recorded]) -> None:
    for recorded in batch:
        past.observe(advance(past.state, decoder.decode(recorded))[0])


def made_today(event: TipScored, read_side: ReadSide, models: Sequence[Model]) -> TipScored:
    """What the decision's policy would make of the same context now, of those candidates that may still be shown.

    Only worked out, never published; its `catalog_seq` and `model_seq` mean nothing. Raises CallRefused, SumsError.
    """
    feature_set = FEATURE_SETS.get(event.feature_set)
    if feature_set is None:
        raise CallRefused("feature_set", f"{event.feature_set} is not known to this release")
    state = _state_now(read_side, event.user_id, models)
    still = [one for one in event.candidates if isinstance(one, InlineCandidate) or _shown(state, one)]
    decider = Decider(feature_set)
    call = ScoringCall(event.decision_id, event.user_id, event.policy, still)
    return decider.decide(state, call, decider.read(event.context, event.occurred_at), event.occurred_at)


def _shown(state: State, tip_id: str) -> bool:
    tip = state.catalog.get(tip_id)
    return tip is not None and tip.active


def _state_now(read_side: ReadSide, user_id: str, models: Sequence[Model]) -> State:
    """As much of the folded state as a decision for this person reads."""
    state = State()
    state.policies.models = list(models)
    for row in read_side.policies():
        standing = {name: row[name] for name in ("policy", "standing", "weight", "version", "seq")}
        state.policies.policies[row["policy"]] = Policy(**standing, params=orjson.loads(row["params"]))
    for row in read_side.tips():
        tip = Tip(**{name: row[name] for name in Tip.__dataclass_fields__})
        state.catalog.versions[tip.tip_id] = [tip]
    for row in read_side.sums(user_id):
        person = state.learning.people.setdefault(user_id, Person(row["state_version"], row["reset_seq"]))
        if row["gamma"] == 1.0:
            person.sums[row["feature_set"]] = _sums(row)
        else:
            person.faded.setdefault(row["feature_set"], {})[row["gamma"]] = _sums(row)
    return state


def _sums(row: Row) -> Sums:
    d = DIMENSIONS[row["feature_set"]]
    s, c = np.frombuffer(row["s"]), np.frombuffer(row["c"])
    return Sums(s.reshape(d, d), c, row["pulls"], row["cumulative_reward"])
