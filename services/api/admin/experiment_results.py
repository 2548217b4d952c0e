"""What an A/B experiment found so far, from the read models only: its arms, whether people are split as planned, and
differences with intervals that hold however often one looks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from pydantic import BaseModel

from ml.experiments.always_valid import ALPHA, FEWEST, Differences, differences
from ml.experiments.assignment import shares
from ml.experiments.cuped import adjusted
from ml.experiments.people import COUNTS, Floats, Sums
from ml.experiments.sample_ratio import ALARM, chi_square_p_value, sequential_p_value
from projections.folds.tables import EXPERIMENTS
from projections.reports.experiments import PRODUCTS
from services.api.admin.experiment_orders import experiment
from services.api.admin.reports import Rows, report
from services.api.admin.router import admin_router
from services.api.admin.rows import present, row_model
from services.api.parts import Parts, PartsOf

router = admin_router("/experiments")


class Comparison(BaseModel):
    """Reward a decision, minus the first arm's; null while an arm has too few people. With all other arms the
    intervals and p-values hold at every moment at once."""

    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None


class ArmResult(BaseModel):
    """One arm, or those held back (`policy` null): people assigned to it, `received` whose first decision was made by
    its policy, `strays` decisions made by another policy. `reward_per_person` is what a person's decisions earned
    together; `adjusted` is the comparison after CUPED."""

    policy: str | None
    share: float
    people: int
    received: int
    decisions: int
    reacted: int
    strays: int
    reward_per_decision: float | None
    reward_per_person: float | None
    decisions_before: int
    compared: Comparison | None = None
    adjusted: Comparison | None = None


class SampleRatio(BaseModel):
    """Whether people are split as planned; `p_value` holds however often one looks, `chi_square` for one look only."""

    alarm: bool
    p_value: float
    chi_square: float
    since: datetime | None
    detail: str


class Cuped(BaseModel):
    """What the adjustment rests on; `spared` is the share of variance between people that it takes away."""

    decisions_before: int
    theta: float
    spared: float


class ComparisonAt(Comparison):
    """An arm's comparison as it stood at a moment, by the rewards that stand now, and after CUPED."""

    moment: datetime
    policy: str
    adjusted: Comparison


class Results(BaseModel):
    """An experiment's results up to now, or its stop; intervals miss with chance `alpha` at most, all arms together."""

    experiment: row_model(EXPERIMENTS)  # type: ignore[valid-type]
    alpha: float
    fewest: int
    arms: list[ArmResult]
    held_back: ArmResult
    sample_ratio: SampleRatio
    cuped: Cuped
    history: list[ComparisonAt]


@router.get("/{experiment_id}/results")
async def get_results(experiment_id: str, parts: PartsOf) -> Results:
    """What an experiment found so far."""
    return await results(parts, experiment_id)


async def results(parts: Parts, experiment_id: str) -> Results:
    """What an experiment found so far. Raises Problem 404, BusUnavailable, RequestFailed."""
    shown = present(EXPERIMENTS, experiment(parts, experiment_id))
    rows = await report(parts, "experiment_steps", experiment_id=experiment_id)
    policies = [str(arm["policy"]) for arm in shown["arms"]]
    # The first of these is held back; empty until the analytics process has folded the start.
    places = [[row for row in rows if row["place"] == place] for place in range(len(policies) + 1)]
    if not rows:
        places = [[_nothing(shown["started_at"])] for _ in places]
    planned = shares([arm["weight"] for arm in shown["arms"]], shown["holdback"])
    sums = _sums(places[1:])
    plain, cuped = differences(sums.sample()), adjusted(sums)
    after = differences(cuped.sample)
    held, *arms = (
        _arm(policy, share, place[-1])
        for policy, share, place in zip([None, *policies], [planned[-1], *planned[:-1]], places, strict=True)
    )
    for place, arm in enumerate(arms[1:]):
        arm.compared, arm.adjusted = _compared(plain, place), _compared(after, place)
    return Results(
        experiment=shown,
        alpha=ALPHA,
        fewest=FEWEST,
        arms=arms,
        held_back=held,
        sample_ratio=_sample_ratio([*places[1:], places[0]], planned, [*policies, "held back"]),
        cuped=Cuped(
            decisions_before=round(sum(place[-1]["decisions_before"] for place in places[1:])),
            theta=float(cuped.theta[-1]),
            spared=float(cuped.spared[-1]),
        ),
        history=[
            ComparisonAt(
                moment=row["moment"],
                policy=policy,
                adjusted=_compared(after, place, step),
                **_compared(plain, place, step).model_dump(),
            )
            for place, policy in enumerate(policies[1:])
            for step, row in enumerate(places[1])
        ],
    )


def _nothing(started_at: str) -> dict[str, Any]:
    return {"moment": started_at, **dict.fromkeys(("people", "received", "reacted", "strays", *COUNTS, *PRODUCTS), 0)}


def _sums(arms: Sequence[Rows]) -> Sums:
    def of(name: str) -> Floats:
        return np.array([[row[name] for row in arm] for arm in arms], float)

    by_pair = {pair: of(name) for name, pair in PRODUCTS.items()}
    products = [[by_pair.get((one, other), by_pair.get((other, one))) for other in COUNTS] for one in COUNTS]
    return Sums(of("people"), np.array([of(name) for name in COUNTS]), np.array(products))


def _arm(policy: str | None, share: float, now: dict[str, Any]) -> ArmResult:
    counted = {
        name: int(now[name]) for name in ("people", "received", "decisions", "reacted", "strays", "decisions_before")
    }
    return ArmResult(
        policy=policy,
        share=share,
        reward_per_decision=now["reward"] / now["decisions"] if now["decisions"] else None,
        reward_per_person=now["reward"] / now["people"] if now["people"] else None,
        **counted,
    )


def _compared(found: Differences, place: int, step: int = -1) -> Comparison:
    def number(values: Floats) -> float | None:
        value = float(values[place, step])
        return None if np.isnan(value) else value

    return Comparison(
        difference=number(found.difference),
        low=number(found.low),
        high=number(found.high),
        p_value=number(found.p_value),
    )


def _sample_ratio(groups: Sequence[Rows], planned: Sequence[float], names: Sequence[str]) -> SampleRatio:
    """The p-value is the least of the moments looked at, so that an alarm stays while they are the same; they move as
    an experiment lengthens, and one that rested on few people may go again."""
    moments = [row["moment"] for row in groups[0]]
    counts = [[place[step]["received"] for place in groups] for step in range(len(moments))]
    p_values = [sequential_p_value(each, planned) for each in counts]
    since = next((moment for moment, p in zip(moments, p_values, strict=True) if p < ALARM), None)
    now, people = counts[-1], sum(counts[-1])
    told = ", ".join(
        f"{name} {count:,} ({count / (people or 1):.1%}, planned {share:.1%})"
        for name, count, share in zip(names, now, planned, strict=True)
        if share or count
    )
    if since is not None:
        said = f"People are not split as planned: {told}. Find what misplaces them; until then believe no difference."
    else:
        said = f"People are split as planned: {told}." if people else "Nobody is in it yet."
    return SampleRatio(
        alarm=since is not None,
        p_value=min(p_values),
        chi_square=chi_square_p_value(now, planned),
        since=since,
        detail=said,
    )
