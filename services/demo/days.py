"""A simulated person's day: how it truly is at each moment, when their sources report it and when they want a tip."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from contracts.times import DAY_US, HOUR_US
from ml.features.definitions import WELLBEING_V1
from services.demo.people import UNRELIABLE, Person, Source

REPORT_HOURS = {
    "calendar": (7.5, 12.0, 16.0),
    "steps": (10.0, 14.0, 18.0, 21.0),
    "sleep": (0.3,),
    "mood": (1.0, 11.5),
    "screen": (12.5, 17.0, 21.5),
}
"""When a source reports: hours of the day; for sleep and mood hours after waking."""

_AFTER_WAKING = frozenset({"sleep", "mood"})
_DAY, _TOKEN = 1, 2
_MONDAY = 3
"""The weekday of 1 January 1970 (a Thursday), Monday being 0."""


@dataclass(frozen=True, slots=True)
class Truth:
    """How a moment truly is, on the scales of the signals; `hour` is the hour of the day."""

    hour: float
    weekend: bool
    sleep_hours: float
    mood: float
    stress: float
    steps: float
    screen_minutes: float
    meetings_left: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a source says of a person at a moment (microseconds since 1970), with its token's end."""

    at_us: int
    source: str
    values: dict[str, float]
    token_expires_us: int


@dataclass(frozen=True, slots=True)
class Day:
    """One UTC day of a person; `number` counts days since 1970."""

    person: Person
    number: int
    weekend: bool
    sleep_hours: float
    mood: float
    stress: float
    steps: float
    screen_minutes: float
    meetings: int

    def truth(self, at_us: int) -> Truth:
        """How it is at a moment of this day."""
        hour = (at_us - self.number * DAY_US) / HOUR_US
        awake = _share(hour, self.person.wakes, self.person.sleeps)
        worked = _share(hour, 9.0, 17.0)
        return Truth(
            hour=hour,
            weekend=self.weekend,
            sleep_hours=self.sleep_hours,
            mood=self.mood,
            stress=min(5.0, self.stress + (0.0 if self.weekend else 1.2 * worked * (1.0 - awake))),
            steps=self.steps * awake,
            screen_minutes=self.screen_minutes * awake,
            meetings_left=float(round(self.meetings * (1.0 - worked))),
        )


def day_of(person: Person, number: int) -> Day:
    """A person's day by its number since 1970; the same day is always the same."""
    chance = person.generator(_DAY, number)
    weekend = (number + _MONDAY) % 7 >= 5
    slept = float(np.clip(chance.normal(person.needed_sleep + (0.6 if weekend else -0.2), 0.9), 3.5, 10.5))
    meetings = 0 if weekend else int(chance.poisson(person.busy))
    stress = person.tense + 0.2 * meetings - (0.8 if weekend else 0.0) - 0.2 * (slept - person.needed_sleep)
    stress = float(np.clip(chance.normal(stress, 0.5), 1.0, 5.0))
    mood = float(
        np.clip(chance.normal(3.3 + 0.3 * (slept - person.needed_sleep) - 0.3 * (stress - 3.0), 0.6), 1.0, 5.0)
    )
    return Day(
        person=person,
        number=number,
        weekend=weekend,
        sleep_hours=slept,
        mood=mood,
        stress=stress,
        steps=float(person.active * chance.lognormal(0.0, 0.4)),
        screen_minutes=float(np.clip(chance.normal(180 if weekend else 330, 80), 20, 700)),
        meetings=meetings,
    )


def reports(person: Person, number: int) -> list[Report]:
    """What the person's sources report on a day, in order; nothing while a token waits to be renewed."""
    chance = person.generator(_DAY, number, 1)
    today = day_of(person, number)
    found = []
    for source in person.sources:
        start = person.wakes if source.name in _AFTER_WAKING else 0.0
        for hour in REPORT_HOURS[source.name]:
            at_us = number * DAY_US + int((start + hour + float(chance.normal(0.0, 0.25))) * HOUR_US)
            lost = chance.random() < UNRELIABLE
            values = observed(source, today.truth(at_us), chance)
            expires_us = token_expires_us(person, source, at_us)
            if not lost and expires_us is not None:
                found.append(Report(at_us, source.name, values, expires_us))
    return sorted(found, key=lambda report: report.at_us)


def observed(source: Source, truth: Truth, chance: Generator) -> dict[str, float]:
    """The source's signals with a little error of measurement."""
    values = {}
    for signal in WELLBEING_V1.signals.values():
        if signal.source == source.name:
            value = float(getattr(truth, signal.name)) * float(chance.normal(1.0, 0.03))
            values[signal.name] = round(value, 0 if signal.bounds[1] > 10 else 1)
    return values


def wishes(person: Person, number: int) -> list[int]:
    """The moments of a day (microseconds since 1970) at which the person wants a tip, in order."""
    chance = person.generator(_DAY, number, 2)
    hours = chance.uniform(person.wakes + 0.2, person.sleeps, int(chance.poisson(person.tips_a_day)))
    return [number * DAY_US + int(hour * HOUR_US) for hour in sorted(hours)]


def token_expires_us(person: Person, source: Source, at_us: int) -> int | None:
    """When the token that a source uses at a moment expires; None while it has expired and is not renewed yet."""
    turn, into = divmod(at_us - source.phase_us, source.period_us)
    chance = person.generator(_TOKEN, sum(source.name.encode()), int(turn))
    late_us = int(chance.uniform(2.0, 40.0) * HOUR_US) if chance.random() < source.forgetful else 0
    return None if into < late_us else at_us - into + source.period_us


def _share(hour: float, first: float, last: float) -> float:
    """How much of the time from `first` to `last` has passed: 0 before it, 1 after it."""
    return min(1.0, max(0.0, (hour - first) / (last - first)))
