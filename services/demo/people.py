"""Simulated people: who they are, what they secretly like, when they live and which sources they have connected.

Everything follows from the seed: each person has a generator of their own, so that more people change nobody.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence

from contracts.times import DAY_US, HOUR_US
from ml.features.definitions import CATEGORIES

CONNECTED = {"calendar": 0.8, "steps": 0.9, "sleep": 0.8, "mood": 0.7, "screen": 0.75}
"""Each source and the share of people who have connected it."""

_SIMULATED = re.compile(r"demo-\d{3,4}")

UNRELIABLE = 0.07
"""The share of reports that never come."""


@dataclass(frozen=True, slots=True)
class Source:
    """A connected source whose token is renewed every `period_us`, sometimes late; `phase_us` shifts the renewals."""

    name: str
    period_us: int
    phase_us: int
    forgetful: float


@dataclass(frozen=True, slots=True)
class Tastes:
    """What a person secretly likes; all in units of utility. `quirk_scale` is how far single tips stray from it."""

    category: tuple[float, ...]
    challenge: float
    brevity: float
    peak: float
    wind_down: float
    soothed: float
    restless: float
    sociable: float
    quirk_scale: float


@dataclass(frozen=True, slots=True)
class Person:
    """One simulated person; hours are hours of the day.

    `engagement` is the chance that they react at all, `tells` that they say what they think, `fickle` that they think
    otherwise later.
    """

    index: int
    user_id: str
    seed: int
    tastes: Tastes
    sources: tuple[Source, ...]
    wakes: float
    sleeps: float
    peak_hour: float
    needed_sleep: float
    active: float
    busy: float
    tense: float
    tips_a_day: float
    engagement: float
    tells: float
    fickle: float

    def generator(self, *stream: int) -> Generator:
        """Chance of their own for one purpose: the same numbers for the same `stream`."""
        return Generator(PCG64(SeedSequence([self.seed, self.index, *stream])))


def people(seed: int, count: int) -> list[Person]:
    """The first `count` people of a seed."""
    return [_person(seed, index, user_id) for index, user_id in enumerate(user_ids(count))]


def is_simulated(user_id: str) -> bool:
    """Whether this can only be the id of a simulated person."""
    return _SIMULATED.fullmatch(user_id) is not None


def user_ids(count: int) -> list[str]:
    """The user ids of the first `count` people, the same for every seed."""
    return [f"demo-{index + 1:03d}" for index in range(count)]


def _person(seed: int, index: int, user_id: str) -> Person:
    chance = Generator(PCG64(SeedSequence([seed, index])))
    wakes = float(chance.normal(7.0, 0.8))
    tastes = Tastes(
        category=tuple(float(value) for value in chance.normal(0.0, 0.55, len(CATEGORIES))),
        challenge=float(chance.normal(0.0, 0.4)),
        brevity=float(chance.normal(0.25, 0.35)),
        peak=float(abs(chance.normal(0.0, 0.5))),
        wind_down=float(chance.normal(0.35, 0.4)),
        soothed=float(chance.normal(0.5, 0.35)),
        restless=float(chance.normal(0.4, 0.4)),
        sociable=float(chance.normal(0.3, 0.4)),
        quirk_scale=0.2,
    )
    sources = tuple(
        Source(
            name=name,
            period_us=int(chance.choice([3, 5, 7, 10])) * DAY_US,
            phase_us=int(chance.integers(0, 10 * 24)) * HOUR_US,
            forgetful=float(chance.choice([0.05, 0.2, 0.5])),
        )
        for name, share in CONNECTED.items()
        if chance.random() < share
    )
    return Person(
        index=index,
        user_id=user_id,
        seed=seed,
        tastes=tastes,
        sources=sources,
        wakes=wakes,
        sleeps=float(np.clip(wakes + chance.normal(16.0, 0.6), 20.0, 23.9)),
        peak_hour=float(chance.choice([9.5, 10.5, 16.0, 19.0])),
        needed_sleep=float(chance.normal(7.2, 0.5)),
        active=float(chance.lognormal(8.7, 0.35)),
        busy=float(chance.uniform(0.5, 6.0)),
        tense=float(chance.normal(2.8, 0.5)),
        tips_a_day=float(chance.uniform(3.5, 7.5)),
        engagement=float(chance.uniform(0.55, 0.9)),
        tells=float(chance.uniform(0.4, 0.8)),
        fickle=0.03,
    )
