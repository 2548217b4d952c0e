"""Experiments on simulated people: false positives of A/A under continuous peeking, power beside a t test that looks
once, and how soon a faulty split is noticed."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from benchmarks.figures import Cell, Figures
from benchmarks.options import Options
from ml.experiments.always_valid import ALPHA, FEWEST, differences
from ml.experiments.assignment import arm_of
from ml.experiments.cuped import adjusted
from ml.experiments.people import Floats, Sample, Sums
from ml.experiments.sample_ratio import ALARM, sequential_p_value
from projections.reports.window import Z

REWARDS = np.array([-0.75, -0.25, 0.0, 0.5, 1.0, 1.5])
KEEN, DULL = np.array([0.01, 0.02, 0.30, 0.22, 0.20, 0.25]), np.array([0.08, 0.22, 0.60, 0.06, 0.03, 0.01])
KNOWN_BEFORE = 0.7


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many people make so many decisions each, in so many simulations at once; `effect` is what the second arm adds
    to every reward. They come in over the whole time, or with `at_once` are all there from the start.
    """

    simulations: int
    people: int
    decisions: int
    effect: float = 0.0
    at_once: bool = False


@dataclass(slots=True)
class Looks:
    """What looking after every decision found in each simulation: the first look (a number of people who had come in)
    at which a test called a difference, nan for never; and what one look at the end calls.
    """

    always: Floats
    cuped: Floats
    peeked_t: Floats
    one_t: Floats


def simulate(crowd: Crowd, seed: int) -> Looks:
    """Run the crowd, assigned to two equal arms by the code that serves, and look after every decision of anybody."""
    rng = np.random.default_rng(seed)
    size = (crowd.people, crowd.simulations)
    arm = np.array([[arm_of(f"p{i}", f"{seed}/{s}", (1, 1)) for s in range(size[1])] for i in range(size[0])])
    keen = rng.beta(1.5, 3.0, size)
    counts = np.zeros((4, *size))
    counts[2] = crowd.decisions * (rng.random(size) < KNOWN_BEFORE)
    counts[3] = np.sum([_rewards(rng, keen) for _ in range(crowd.decisions)], axis=0) * (counts[2] > 0)
    sums = Sums(*(np.zeros((*shape, 2, crowd.simulations)) for shape in ((), (4,), (4, 4))))
    looks = Looks(*(np.full(crowd.simulations, np.nan) for _ in range(4)))
    for person in _order(crowd, rng):
        side = np.stack((arm[person] == 0, arm[person] == 1)).astype(float)
        now = counts[:, person]
        was = now * (now[0] > 0)
        now[0] += 1
        now[1] += _rewards(rng, keen[person]) + crowd.effect * arm[person]
        sums.people[:] += side * (now[0] == 1)
        sums.total[:] += side * (now - was)[:, None]
        sums.products[:] += side * (now * now[:, None] - was * was[:, None])[:, :, None]
        _look(looks, sums)
    looks.one_t = np.where(_t(sums.sample()) > Z, crowd.people, np.nan)
    return looks


def _rewards(rng: np.random.Generator, keen: Floats) -> Floats:
    """One decision's reward of each person, by how keen they are."""
    drawn, of = rng.random(keen.shape), rng.random(keen.shape) < keen
    places = np.where(of, np.searchsorted(KEEN.cumsum(), drawn), np.searchsorted(DULL.cumsum(), drawn))
    return np.asarray(REWARDS[places.clip(0, 5)])


def _order(crowd: Crowd, rng: np.random.Generator) -> Sequence[int]:
    """Who decides when: each person from their arrival on."""
    come = np.zeros(crowd.people) if crowd.at_once else rng.random(crowd.people)
    at = come[:, None] + (1 - come[:, None]) * rng.random((crowd.people, crowd.decisions))
    places: list[int] = (at.argsort(axis=None, kind="stable") // crowd.decisions).tolist()
    return places


def _look(looks: Looks, sums: Sums) -> None:
    people = sums.people.sum(axis=0)
    sample = sums.sample()
    found = {"always": _called(sample), "cuped": _called(adjusted(sums).sample)}
    found["peeked_t"] = (_t(sample) > Z) & (sums.people.min(axis=0) >= FEWEST)
    for name, called in found.items():
        first = getattr(looks, name)
        np.copyto(first, people, where=called & np.isnan(first))


def _called(sample: Sample) -> np.ndarray:
    found = differences(sample)
    called: np.ndarray = (found.low[0] > 0) | (found.high[0] < 0)
    return called


def _t(sample: Sample) -> Floats:
    spread = (sample.variance / np.maximum(sample.people, 1)).sum(axis=0)
    return np.asarray(np.abs(sample.mean[1] - sample.mean[0]) / np.sqrt(spread))


def first_alarm(people: int, served: float, salt: str) -> int | None:
    """After how many people the sample-ratio alarm sounds when `served` of them, not a half, get the first arm."""
    counts = [0, 0]
    for number in range(people):
        counts[arm_of(f"p{number}", salt, (served, 1 - served)) or 0] += 1
        if sequential_p_value(counts, (0.5, 0.5)) < ALARM:
            return number + 1
    return None


async def run(options: Options) -> list[Figures]:
    """False positives and power by simulation, and the sample-ratio alarm."""
    quick = options == Options.quick()
    simulations, people = (40, 300) if quick else (1000, 2000)
    title = f"A difference is called (share of {simulations} simulations, {people} people, 10 decisions each)"
    columns = (
        "people come in",
        "effect",
        "always valid",
        "with CUPED",
        "people until",
        "CUPED until",
        "t, one look",
        "t, peeked",
    )
    called = Figures("experiments", title, columns)
    for at_once, effect in ((False, 0.0), (True, 0.0), (False, 0.03), (False, 0.05), (False, 0.08)):
        looks = simulate(Crowd(simulations, people, 10, effect, at_once), seed=7)
        called.add("at once" if at_once else "over time", effect, *_cells(looks))
    called.notes.append(
        f"looked after every decision, level {ALPHA}, from {FEWEST} people an arm on; effect 0 is A/A; 'until' is the "
        "median of people come in when it was called; 't, one look' looks once, at the end"
    )
    ratio = Figures(
        "experiments_ratio",
        "The sample-ratio alarm, looked at after every person",
        ("served", "raised", "people until"),
    )
    for served in (0.5, 0.6, 0.55):
        alarms = [first_alarm(people, served, f"ratio/{number}") for number in range(simulations // 5)]
        raised = [at for at in alarms if at is not None]
        ratio.add(f"{served:.0%} / {1 - served:.0%}", len(raised) / len(alarms), median(raised) if raised else None)
    return [called, ratio]


def _cells(looks: Looks) -> list[Cell]:
    def share(first: Floats) -> float:
        return float(np.mean(~np.isnan(first)))

    def until(first: Floats) -> Cell:
        found = first[~np.isnan(first)]
        return float(np.median(found)) if len(found) and share(first) >= 0.5 else None

    t_tests = share(looks.one_t), share(looks.peeked_t)
    return [share(looks.always), share(looks.cuped), until(looks.always), until(looks.cuped), *t_tests]
