"""The steps from a log to a registered version, each a function of what the one before it gave."""

import asyncio
from collections.abc import AsyncIterator, Container
from dataclasses import dataclass, replace
from functools import partial

import httpx
import numpy as np

from contracts.codec import Decoder
from contracts.envelope import Entry
from contracts.events.admin import ModelShadowed, PriorEvent
from contracts.subjects import PREFIX, matches
from contracts.times import format_time
from ml.evaluation.evaluation import evaluate
from ml.evaluation.evidence import Evidence
from ml.features.definitions import CURRENT, FEATURE_SETS
from ml.offline.decisions import offline_decisions
from ml.pipelines.fairness import checks_of, figure, groups_of, held_out_errors, newcomers
from ml.pipelines.prior import Fit, power_prior
from ml.pipelines.rows import Rows, rows_of
from ml.pipelines.run import Run
from ml.pipelines.segments import labels_of
from ml.policies.params import PolicyParams
from ml.registry.card import Card, Check, Estimate, Group, Input, Offline, Window
from ml.registry.registry import CHALLENGER, SHADOW, Registry
from projections.afresh import folded_afresh
from projections.erasure import erased_upto
from projections.folds.policies import Model
from projections.folds.projection import State, advance
from projections.off_policy.report import Progress, standings
from projections.off_policy.targets import OurPolicy
from projections.off_policy.walk import YOUNG_US, Span, Walk
from projections.sinks.duckdb import DuckdbSink
from services.bootstrap import ACTOR, Bus
from services.publishing import EventPublisher

POLICY = "linucb"
"""The policy that a prior is judged under when none is live."""

PURPOSE = (
    "A prior for linear policies: what everybody's reactions say of a tip at a moment, before anything is known of the "
    "person. It joins each person's own sums when a score is made, and fades as their own pulls come in."
)
LIMITS = (
    "Rewards are taken as linear in the features.",
    "It is fitted on tips that a policy chose to show and on reactions that people chose to give.",
    "Off-policy figures take decisions as independent, and the policy as not learning from its own choices.",
)
LEFT_OUT = "{:,} decisions were left out: their matrices, made again, are not the ones that were scored."
TRAINED = "trained"
"""Why a version that has just been registered goes into shadow."""
SHADOWED = ModelShadowed.SUBJECT.format(model_version="*")
MODELS = f"{PREFIX}.admin.model.*.*"
RUN = "run"
"""The tag that says which run registered a version."""
ACK_S = 5.0
YOUNG = "Decisions younger than 24 h count too, whose reactions may still come."


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """The held-out decisions under the model: the target in words, all evidence, and that of each group."""

    target: str
    evidence: Evidence
    groups: dict[str, Evidence]


async def end_of(bus: Bus, last: int) -> int:
    """Where the log to train on ends: what runs before put into shadow behind it makes no other log. Raises
    BusUnavailable."""
    while (recorded := await bus.get(last)) is not None and matches(SHADOWED, recorded.subject):
        last -= 1
    return last


async def offline_features(bus: Bus, run: Run, progress: Progress) -> Rows:
    """The rows of a run's log. Raises TooLittle, BusUnavailable."""
    # Asked before: whoever is erased meanwhile may be in the rows.
    erased = await erased_upto(bus, run.upto_seq)
    async with folded_afresh(bus, progress, run.upto_seq) as sink:
        return replace(await asyncio.to_thread(_rows, sink, run), erased_upto=erased)


def _rows(sink: DuckdbSink, run: Run) -> Rows:
    checkpoint = sink.checkpoint()
    before_us = checkpoint.recorded_us - YOUNG_US if checkpoint is not None and not run.young else None
    with sink.cursor() as cursor:
        return rows_of(offline_decisions(cursor, FEATURE_SETS[CURRENT]), CURRENT, run.segment, before_us)


async def judge(bus: Bus, decoder: Decoder, run: Run, rows: Rows, fit: Fit, progress: Progress) -> Judgement:
    """The live policy under the fitted prior, evaluated off-policy on the held-out decisions. Raises BusUnavailable."""
    live = (await standings(bus, decoder, run.upto_seq)).live()
    policy = max(live, key=lambda one: one.weight, default=None)
    model = Model(run.name, fit.feature_set, fit.a0.tolist(), fit.b0.tolist(), run.upto_seq)
    name, params = (policy.policy, policy.params) if policy is not None else (POLICY, {})
    target = OurPolicy(name, PolicyParams.of(name, params), model)
    first = int(rows.seq[rows.cut]) if rows.cut < len(rows) else run.upto_seq + 1
    walk = Walk(target, Span(young=run.young, from_seq=first), partial(labels_of, segment=run.segment))
    async for batch in bus.read(0, upto=run.upto_seq):
        for recorded in batch:
            walk.take(decoder.decode(recorded))
        progress(batch[-1].seq, run.upto_seq)
    walk.finish()
    return Judgement(target.said, walk.evidence, walk.groups)


Errors = tuple[float, float] | None
"""Mean squared errors over all held-out reactions, with the prior and without; None where there is no reaction."""

Fair = tuple[list[Group], list[Check], Errors]


def fairness(rows: Rows, fit: Fit, judgement: Judgement) -> Fair:
    """Groups, checks, and errors."""
    errors = held_out_errors(rows, (fit.a0, fit.b0), power_prior(rows.x[:0], rows.reward[:0], 0.0))
    groups = groups_of(rows, errors, judgement.groups)
    seen = errors[~np.isnan(errors[:, 0])]
    found = None
    if len(seen):
        with_prior, neutral = seen.mean(axis=0).tolist()
        found = (with_prior, neutral)
    return groups, [newcomers(fit), *checks_of(groups)], found


def make_card(run: Run, rows: Rows, fit: Fit, judgement: Judgement, fair: Fair) -> Card:
    """The card of a run."""
    groups, checks, errors = fair
    return Card(
        name=run.name,
        purpose=PURPOSE,
        feature_set=fit.feature_set,
        digest=fit.stored().digest,
        code=run.code,
        seed=run.seed,
        inputs=[
            Input(name=one.name, description=one.description, sources=list(one.sources))
            for one in FEATURE_SETS[fit.feature_set].features
        ],
        window=_window(run, rows),
        offline=_offline(fit, judgement, errors),
        groups=groups,
        checks=checks,
        limits=[*LIMITS, *([YOUNG] if run.young else []), *([LEFT_OUT.format(rows.left_out)] if rows.left_out else [])],
    )


async def taken_ids(bus: Bus, decoder: Decoder, fit: Fit) -> set[str]:
    """The ids that the log knows by another prior: a registry that was emptied gives its ids again. Raises
    BusUnavailable."""
    priors = [entry.event async for entry in _of_models(bus, decoder) if isinstance(entry.event, PriorEvent)]
    return {event.model_version for event in priors if not _is_told(fit, event)}


async def register(mlflow: httpx.AsyncClient, run: Run, fit: Fit, card: Card, taken: Container[str]) -> str:
    """Register a version with its prior and card, unless this run has, under an id that is not taken; its id. Raises
    RegistryAway."""
    assert card.window is not None
    assert card.offline is not None
    registry = Registry(mlflow)
    # Whoever died after MLflow's answer comes back.
    before = await registry.tagged(run.name, RUN, run.key)
    if before is not None and before.tags.get("digest") == card.digest and before.id not in taken:
        return before.id
    await registry.end_unfinished(RUN, run.key)
    tags = {
        RUN: run.key,
        "digest": card.digest,
        "feature_set": card.feature_set,
        "code": card.code,
        "seed": str(run.seed),
        "stream": run.stream,
        "first_seq": str(card.window.first_seq),
        "last_seq": str(card.window.last_seq),
        "fairness": "failed" if card.failed else "passed",
    }
    errors = ("error", "neutral_error", "newcomer_error", "neutral_newcomer_error")
    figures = {"kappa": fit.kappa}
    figures |= {name: error for name in errors if (error := getattr(card.offline, name)) is not None}
    figures |= {one.estimator: one.figure.value for one in card.offline.estimates if one.figure is not None}
    return (await registry.register(fit.stored(), card, tags, figures, taken)).id


async def shadow(bus: Bus, decoder: Decoder, publisher: EventPublisher, identifier: str, fit: Fit) -> bool:
    """Publish that a version scores along, unless the log has that or its promotion: what an admin did since is not
    undone. Whether it scores along then. Raises BusUnavailable.
    """
    state, known = State(), False
    async for entry in _of_models(bus, decoder):
        advance(state, entry)
        event = entry.event
        known |= isinstance(event, PriorEvent) and event.model_version == identifier and _is_told(fit, event)
    if known:
        along = state.policies.shadowed.get(fit.feature_set)
        return along is not None and along.model_version == identifier and _is_told(fit, along)
    prior = fit.stored()
    event = ModelShadowed(**prior.told_of(identifier), reason=TRAINED)
    # The same id for the same version: whoever dies before the ack and comes back at once says it once.
    event_id = f"shadowed-{identifier}-{prior.digest}"
    await publisher.publish_signed(event, actor=ACTOR, event_id=event_id, timeout=ACK_S)
    return True


async def point(mlflow: httpx.AsyncClient, identifier: str, card: Card, *, along: bool) -> list[str]:
    """Give a version that scores along the alias `shadow`, and `challenger` when every check passed; the aliases of
    one that does not any more stay as they are. Raises RegistryAway, NotRegistered.
    """
    registry = Registry(mlflow)
    version = await registry.version(identifier)
    if not along:
        return version.aliases
    aliases = [SHADOW] if card.failed else [SHADOW, CHALLENGER]
    for alias in aliases:
        await registry.point(version, alias)
    return aliases


def _is_told(fit: Fit, by: PriorEvent | Model) -> bool:
    return (fit.feature_set, fit.a0.tolist(), fit.b0.tolist()) == (by.feature_set, by.a0, by.b0)


async def _of_models(bus: Bus, decoder: Decoder) -> AsyncIterator[Entry]:
    """What the log says of models so far, in order."""
    async for batch in bus.read(0, upto=(await bus.info()).last_seq, subjects=[MODELS]):
        for item in map(decoder.decode, batch):
            if isinstance(item, Entry):
                yield item


def _window(run: Run, rows: Rows) -> Window:
    seen = rows.fitted_on
    return Window(
        stream=run.stream,
        first_seq=int(seen.seq[0]),
        last_seq=int(seen.seq[-1]),
        since=format_time(int(seen.occurred_us.min())),
        until=format_time(int(seen.occurred_us.max())),
        decisions=len(seen),
        reactions=int(seen.reacted.sum()),
        people=len(np.unique(seen.person)),
        held_out=len(rows) - len(seen),
        judged_upto=run.upto_seq,
        young=run.young,
        digest=rows.digest(),
        erased_upto=rows.erased_upto,
    )


def _offline(fit: Fit, judgement: Judgement, errors: Errors) -> Offline:
    found = evaluate(judgement.evidence)
    return Offline(
        kappa=fit.kappa,
        error=errors[0] if errors else None,
        neutral_error=errors[1] if errors else None,
        newcomer_error=fit.errors.get(fit.kappa),
        neutral_newcomer_error=fit.errors.get(0.0),
        target=judgement.target,
        earned=figure(found.on_policy) if found.on_policy is not None else None,
        estimates=[
            Estimate(
                estimator=answer.estimator,
                figure=figure(answer.estimate) if answer.estimate is not None else None,
                refusal=answer.refusal,
            )
            for answer in found.answers
        ],
        caution=found.caution,
    )
