"""One decision with everything that says why: its score taken apart, its rivals, what was known, and what followed."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel

from contracts.events.base import Id
from contracts.times import format_time
from ml.features.definitions import FEATURE_SETS
from ml.features.origins import Mark, Reason, marks, origins
from ml.features.vector import ContextError
from ml.policies.recompute import TOLERANCE, Verdict
from ml.policies.registry import RULES
from projections.folds.tables import FEEDBACK, TIP_SCORES
from services.api.admin.decisions import LoggedDecision
from services.api.admin.grounds import MOST_EVENTS, Grounds, grounds
from services.api.admin.router import admin_router
from services.api.admin.rows import present
from services.api.parts import Parts, PartsOf
from services.api.paths import DecisionInPath
from services.paths import DECISION_ID
from services.problems import Problem

router = admin_router("/decisions")


class Term(BaseModel):
    """One feature's share of a candidate's mean: `contribution` is `theta` times `x`."""

    feature: str
    x: float
    theta: float
    contribution: float


class Terms(BaseModel):
    """A candidate's score taken apart: the terms add up to the mean; the score is its policy's, of mean and bonus."""

    tip_id: str
    terms: list[Term]
    mean: float
    bonus: float
    score: float


class Recomputation(BaseModel):
    """How the decision compares with what the log gives when it is made again, from `events` events of its person."""

    verdict: Verdict | Literal["not_recomputed"]
    differences: list[str]
    events: int
    said: str


class Candidate(BaseModel):
    """A tip that could have been shown; what is null is not known."""

    tip_id: str
    title: str | None
    chosen: bool
    mean: float | None
    bonus: float | None
    score: float | None
    propensity: float | None
    score_today: float | None


class SeenFeature(BaseModel):
    """A feature of the chosen tip as it was seen then."""

    name: str
    description: str | None
    value: float | str
    mark: Mark | None


class SeenSignal(BaseModel):
    """A signal as the context had it; `imputed` says why `default` stood in for its value."""

    name: str
    description: str
    value: float | None
    default: float
    source: str
    observed_at: datetime | None
    token_expires_at: datetime | None
    imputed: Reason | None


class Reaction(BaseModel):
    """What the person did, and what it did to what is known of them."""

    seq: int
    event_id: str
    action: str
    tip_id: str | None
    status: str
    effect: str
    reward_delta: float | None
    occurred_at: datetime
    recorded_at: datetime


class ShadowChoice(BaseModel):
    """What a policy in shadow, or the one that decided under the prior `model_version` in shadow, would have chosen;
    `chosen_propensity` is its propensity of the tip that was shown."""

    seq: int
    policy: str
    policy_version: int
    model_version: str | None
    state_version: int
    tip_id: str
    score: float
    propensity: float
    chosen_propensity: float
    agreed: bool
    latency_us: int
    occurred_at: datetime


class Today(BaseModel):
    """What the same policy would make of the same context now: the best score among candidates that may still be shown.

    `indifferent` when it scores all alike; `left_out` are tips retired since.
    """

    tip_id: str
    score: float
    indifferent: bool
    policy_version: int
    standing: str
    params: dict[str, float]
    model_version: str
    state_version: int
    left_out: list[str]


class Why(BaseModel):
    """A decision and its grounds; `terms` are null when it was not made again, a `problem` says why a part is empty.

    `rule` says how the policy chooses, and is empty for somebody else's.
    """

    decision: LoggedDecision
    event_id: str
    rule: str
    params: dict[str, float]
    feature_set: str
    model_version: str
    kernel: str
    state_version: int
    x_digest: str | None
    stale_sources: list[str]
    recomputation: Recomputation
    terms: Terms | None
    candidates: list[Candidate]
    features: list[SeenFeature]
    signals: list[SeenSignal]
    reactions: list[Reaction]
    shadows: list[ShadowChoice]
    shadows_problem: str
    today: Today | None
    today_problem: str


@router.get(f"/{DECISION_ID}")
async def get_decision(
    decision_id: DecisionInPath,
    parts: PartsOf,
    candidate: Annotated[Id | None, Query(description="whose terms are shown; the chosen tip's when left out")] = None,
) -> Why:
    """One decision with everything that says why, made again from the log."""
    return await why(parts, decision_id, candidate)


async def why(parts: Parts, decision_id: str, candidate: str | None = None) -> Why:
    """A decision and its grounds. Raises Problem 404 as `grounds`, 422 for what was no candidate; BusUnavailable."""
    return describe(await grounds(parts, decision_id), candidate)


def describe(found: Grounds, candidate: str | None = None) -> Why:
    """The grounds as they are answered, with one candidate's terms. Raises Problem for what was no candidate."""
    event = found.event
    return Why(
        decision=LoggedDecision.model_validate(present(TIP_SCORES, found.row)),
        event_id=found.row["event_id"],
        rule="" if event.external else RULES.get(event.policy, ""),
        recomputation=_recomputation(found),
        terms=terms_of(found, event.tip_id if candidate is None else candidate),
        candidates=_candidates(found),
        features=_features(found),
        signals=_signals(found),
        reactions=[Reaction.model_validate(present(FEEDBACK, row)) for row in found.reactions],
        shadows=[ShadowChoice.model_validate(row) for row in found.shadows],
        shadows_problem=found.shadows_problem,
        today=_today(found),
        today_problem=found.today_problem,
        **event.model_dump(
            include={
                "params", "feature_set", "model_version", "kernel", "state_version", "x_digest", "stale_sources",
            }
        ),
    )  # fmt: skip


def terms_of(found: Grounds, tip_id: str) -> Terms | None:
    """A candidate's score taken apart; None when the decision was not made again. Raises Problem for no candidate."""
    ids = found.event.candidate_ids()
    if tip_id not in ids:
        raise Problem.invalid([("candidate", f"{tip_id[:80]!r} was no candidate of this decision")])
    again = found.finding.again if found.finding is not None else None
    if again is None:
        return None
    at, choice = ids.index(tip_id), again.scored.choice
    names = FEATURE_SETS[found.event.feature_set].names
    columns = (again.scored.matrix[at].tolist(), again.belief.theta.tolist(), again.contributions[at].tolist())
    return Terms(
        tip_id=tip_id,
        terms=[
            Term(feature=name, x=x, theta=theta, contribution=contribution)
            for name, x, theta, contribution in zip(names, *columns, strict=True)
        ],
        mean=float(choice.mean[at]),
        bonus=float(choice.bonus[at]),
        score=float(choice.score[at]),
    )


def _recomputation(found: Grounds) -> Recomputation:
    event, finding, events = found.event, found.finding, found.events
    if finding is None:
        said = (
            f"{event.user_id} has {events:,} decisions and reactions up to this one, and at most {MOST_EVENTS:,} are "
            "read here; `tipstream verify` makes every decision again"
        )
        return Recomputation(verdict="not_recomputed", differences=[], events=0, said=said)
    said = {
        "identical": "made again from the log: the same matrix, scores, draw and propensity, bit for bit",
        "close": f"made again from the log: scores within {TOLERANCE:g}; the kernel then was {event.kernel}",
        "mismatched": f"made again from the log, it differs in: {', '.join(finding.differences)}; `tipstream verify` "
        "reads everybody's events too, and has the last word",
        "external": "somebody else's decision, imported: nothing of ours to make again",
    }[finding.verdict]
    return Recomputation(
        verdict=finding.verdict,
        differences=list(finding.differences),
        events=0 if event.external else events,
        said=said,
    )


def _candidates(found: Grounds) -> list[Candidate]:
    event, again = found.event, found.finding.again if found.finding is not None else None
    ids = event.candidate_ids()
    unknown: list[None] = [None] * len(ids)
    propensities = again.scored.choice.propensities.tolist() if again is not None else unknown
    today = dict(zip(found.today.candidate_ids(), found.today.score, strict=True)) if found.today is not None else {}
    rows = zip(ids, event.mean or unknown, event.bonus or unknown, event.score or unknown, propensities, strict=True)
    return [
        Candidate(
            tip_id=tip_id,
            title=found.titles.get(tip_id),
            chosen=tip_id == event.tip_id,
            mean=mean,
            bonus=bonus,
            score=score,
            # What was logged is what was true then, whatever is made of it again.
            propensity=event.propensity if tip_id == event.tip_id else propensity,
            score_today=today.get(tip_id),
        )
        for tip_id, mean, bonus, score, propensity in rows
    ]


def _features(found: Grounds) -> list[SeenFeature]:
    event = found.event
    feature_set = FEATURE_SETS.get(event.feature_set)
    described = {one.name: one.description for one in feature_set.features} if feature_set else {}
    marked = marks(feature_set, event.context, event.missing)
    return [
        SeenFeature(name=name, description=described.get(name), value=value, mark=marked.get(name))
        for name, value in event.features.items()
    ]


def _signals(found: Grounds) -> list[SeenSignal]:
    event = found.event
    feature_set = FEATURE_SETS.get(event.feature_set)
    try:
        seen = origins(feature_set, event.context) if feature_set is not None and not event.external else []
    except ContextError:
        return []
    return [
        SeenSignal(
            name=one.signal.name,
            description=one.signal.description,
            value=one.value,
            default=one.signal.default,
            source=one.source or one.signal.source,
            observed_at=_moment(one.observed_us),
            token_expires_at=_moment(one.expires_us),
            imputed=one.imputed,
        )
        for one in seen
    ]


def _moment(us: int | None) -> Any:
    return None if us is None else format_time(us)


def _today(found: Grounds) -> Today | None:
    made = found.today
    if made is None:
        return None
    best = max(range(len(made.score)), key=made.score.__getitem__)
    policy = found.policies.get(made.policy)
    return Today(
        tip_id=made.candidate_ids()[best],
        score=made.score[best],
        indifferent=len(made.score) > 1 and min(made.score) == made.score[best],
        policy_version=made.policy_version,
        standing=policy["standing"] if policy is not None else "never named",
        params=made.params,
        model_version=made.model_version,
        state_version=made.state_version,
        left_out=sorted(set(found.event.candidate_ids()) - set(made.candidate_ids())),
    )
