"""The flow `train`: from the log to a registered version in shadow, resumed where it failed.

Prefect keeps what is computed under the run's key, so a run of the same log, code and seed takes what is there. What is
registered and in shadow is asked each time, of the registry and the log: admins change both. Prefect is imported with
this module and takes seconds: import it only where a flow runs.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.context import TaskRunContext

from contracts.codec import Decoder
from ml.pipelines import prior, steps
from ml.pipelines.claim import claimed
from ml.pipelines.prior import Fit
from ml.pipelines.rows import Rows
from ml.pipelines.run import FEATURES, Run, begun, check_name, code_version, unfinished
from ml.pipelines.segments import check_segment
from ml.pipelines.steps import Fair, Judgement
from ml.pipelines.watching import watched
from ml.registry.card import Card
from services.bootstrap import open_decoder, trusted_signer
from services.bus.jetstream import JetStreamBus
from services.http_client import http_client
from services.publishing import EventPublisher
from services.settings import Settings

STEPS = (FEATURES, "fit", "judge", "fairness", "card", "register", "shadow")
BULKY = (FEATURES,)
"""Results that hold a row a decision; they go when the run is done, and when another one begins."""

CONNECT_S = 5.0
SOURCE = "/tipstream/train"


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run has registered: the version's id, the model's digest, its aliases, its card."""

    model_version: str
    digest: str
    aliases: list[str]
    card: Card


def _key(context: TaskRunContext, given: dict[str, Any]) -> str:
    return f"{given['run'].key}/{context.task.name}"


@task(cache_key_fn=_key, persist_result=True)
async def features(run: Run) -> Rows:
    """Build the offline features."""
    async with _log() as (bus, _):
        return await steps.offline_features(bus, run, watched("features"))


@task(cache_key_fn=_key, persist_result=True)
async def fit(run: Run, rows: Rows) -> Fit:
    """Fit the prior on all but the held-out decisions."""
    return await asyncio.to_thread(prior.fit, rows.fitted_on, run.seed)


@task(cache_key_fn=_key, persist_result=True)
async def judge(run: Run, rows: Rows, fitted: Fit) -> Judgement:
    """Evaluate off-policy on the held-out decisions."""
    async with _log() as (bus, decoder):
        return await steps.judge(bus, decoder, run, rows, fitted, watched("judge"))


@task(cache_key_fn=_key, persist_result=True)
async def fairness(run: Run, rows: Rows, fitted: Fit, judgement: Judgement) -> Fair:
    """Compare groups of people and moments."""
    return await asyncio.to_thread(steps.fairness, rows, fitted, judgement)


@task(cache_key_fn=_key, persist_result=True)
async def card(run: Run, rows: Rows, fitted: Fit, judgement: Judgement, fair: Fair) -> Card:
    """Write the card."""
    return steps.make_card(run, rows, fitted, judgement, fair)


@task(cache_policy=NO_CACHE)
async def register(run: Run, fitted: Fit, written: Card) -> str:
    """Register a version in MLflow."""
    async with _log() as (bus, decoder):
        taken = await steps.taken_ids(bus, decoder, fitted)
    async with _mlflow() as client:
        return await steps.register(client, run, fitted, written, taken)


@task(cache_policy=NO_CACHE)
async def shadow(identifier: str, fitted: Fit, written: Card) -> list[str]:
    """Let the version score along."""
    async with _log() as (bus, decoder):
        publisher = EventPublisher(bus, trusted_signer(Settings(), decoder), source=SOURCE)
        along = await steps.shadow(bus, decoder, publisher, identifier, fitted)
    async with _mlflow() as client:
        return await steps.point(client, identifier, written, along=along)


@flow(name="tipstream-train", persist_result=False, validate_parameters=False)
async def train(
    name: str = "prior", seed: int = 7, segment: str = "day", young: bool = False, upto_seq: int | None = None
) -> Trained:
    """Train on the log up to a sequence (all of it, when None), and register what comes out.

    Raises BadModelName, UnknownSegment, AnotherTraining, TooLittle, BusUnavailable, RegistryAway, ForeignSigningKey.
    """
    check_name(name)
    check_segment(segment)
    # Here, so that it holds whoever started the flow.
    with claimed(Settings().pipelines_dir):
        return await _train(name, seed, segment, young, upto_seq)


async def _train(name: str, seed: int, segment: str, young: bool, upto_seq: int | None) -> Trained:
    run = await _run(name, seed, segment, young, upto_seq)
    results = Settings().results_dir
    if upto_seq is None:
        run = unfinished(run, results)
    _clear(run, others=True)
    begun(run, results)
    rows = _done("features", await features(run))
    fitted = _done("fit", await fit(run, rows))
    judgement = _done("judge", await judge(run, rows, fitted))
    fair = _done("fairness", await fairness(run, rows, fitted, judgement))
    written = _done("card", await card(run, rows, fitted, judgement, fair))
    identifier = _done("register", await register(run, fitted, written))
    aliases = _done("shadow", await shadow(identifier, fitted, written))
    _clear(run, others=False)
    return Trained(identifier, written.digest, aliases, written)


async def _run(name: str, seed: int, segment: str, young: bool, upto_seq: int | None) -> Run:
    async with _log() as (bus, _):
        info = await bus.info()
        last = await steps.end_of(bus, min(upto_seq or info.last_seq, info.last_seq))
    return Run(name, info.created, last, info.deleted, seed, segment, young, code_version())


def _clear(run: Run, *, others: bool) -> None:
    """Remove rows of decisions: of this run, or of others, with what stands beside them: the exceptions that Prefect
    keeps, and the word of a run that has begun."""
    for path in Settings().results_dir.glob("*"):
        if path.is_file():
            path.unlink(missing_ok=True)
        elif (path.name != run.key) == others:
            for step in BULKY:
                (path / step).unlink(missing_ok=True)


@asynccontextmanager
async def _log() -> AsyncIterator[tuple[JetStreamBus, Decoder]]:
    bus = await JetStreamBus.connect(Settings().bus_url, name="tipstream train", timeout=CONNECT_S)
    try:
        yield bus, await open_decoder(bus)
    finally:
        await bus.close()


def _mlflow() -> httpx.AsyncClient:
    return http_client(Settings().mlflow_base)


def _done(step: str, result: Any) -> Any:
    watched(step)(1, 1)
    return result
