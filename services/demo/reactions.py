"""What simulated people do with a tip: a hidden utility, the chances that follow from it, and the best one could do.

The utility knows the true state of the moment and bends where the model's features are straight, so a linear model can
learn much of it and never all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from zlib import crc32

import numpy as np
from numpy.random import Generator

from contracts.rewards import OUTCOMES, VERDICTS, Action
from contracts.times import HOUR_US, SECOND_US
from ml.features.definitions import CATEGORIES
from ml.features.vector import Array
from projections.folds.catalog import Tip
from services.demo.days import Truth
from services.demo.people import Person

STEEPNESS = 2.2
"""How sharply utility decides between pleasing and not."""

ACTS = 0.6
"""The share of reactions in which the person does something with the tip: done, snoozed or dismissed."""

DONE = 0.8
"""The share of pleasing tips that are done when acted on."""

SNOOZED = 0.4
"""The share of tips acted on but not done that are put off instead of away."""

REPEATS = 0.02
"""The share of verdicts given twice, as by a double tap."""

_QUIRK = 3


@dataclass(frozen=True, slots=True)
class Shelf:
    """The tips by position, as arrays (k,): which category (one-hot (6, k)), effort -1 to 1, minutes."""

    tip_ids: tuple[str, ...]
    category: Array
    effort: Array
    minutes: Array

    @classmethod
    def of(cls, tips: Sequence[Tip]) -> "Shelf":
        """The shelf that holds these tips of the catalog, k >= 1."""
        category = np.array([[name == tip.category for tip in tips] for name in CATEGORIES], dtype=np.float64)
        effort = np.array([(tip.effort - 3) / 2 for tip in tips], dtype=np.float64)
        minutes = np.array([tip.minutes for tip in tips], dtype=np.float64)
        return cls(tuple(tip.tip_id for tip in tips), category, effort, minutes)

    def at(self, tip_id: str) -> int:
        """Where a tip stands."""
        return self.tip_ids.index(tip_id)


@dataclass(frozen=True, slots=True)
class Reaction:
    """One thing a person does about a tip, `after_us` microseconds after they got it."""

    action: Action
    after_us: int


class Heart:
    """One person's hidden utility over a shelf of tips."""

    def __init__(self, person: Person, shelf: Shelf) -> None:
        self.person = person
        tastes = person.tastes
        quirks = [person.generator(_QUIRK, crc32(tip_id.encode())).normal(0.0, 1.0) for tip_id in shelf.tip_ids]
        movement, rest, mind, _, social, _ = shelf.category
        self._fixed: Array = np.array(tastes.category) @ shelf.category + tastes.quirk_scale * np.array(quirks)
        self._effort = shelf.effort
        self._shortness: Array = -np.log(shelf.minutes / 10.0) / 2.0
        self._calm: Array = rest + mind
        self._movement: Array = movement
        self._social: Array = social

    def utilities(self, truth: Truth) -> Array:
        """How much each tip (k,) would please at a moment; 0 is indifferent."""
        person, tastes = self.person, self.person.tastes
        strain = np.tanh((truth.stress - truth.mood) / 2.0)
        rested = np.tanh((truth.sleep_hours - person.needed_sleep) / 1.5)
        still = np.tanh(truth.screen_minutes / 240.0 - truth.steps / 6000.0)
        sharp = exp(-(((truth.hour - person.peak_hour) / 2.5) ** 2))
        late = 1.0 / (1.0 + exp(19.5 - truth.hour))
        challenge = tastes.challenge + tastes.peak * (sharp - 0.4) + 0.35 * rested - 0.2 * max(0.0, strain)
        pressed = tastes.brevity + 0.5 * (1.0 - exp(-truth.meetings_left / 2.0))
        utilities: Array = (
            self._fixed
            + challenge * self._effort
            + pressed * self._shortness
            + (tastes.wind_down * late + tastes.soothed * strain) * self._calm
            + tastes.restless * still * self._movement
            + (tastes.sociable if truth.weekend else 0.0) * self._social
        )
        return utilities

    def expected_rewards(self, truth: Truth) -> Array:
        """The mean reward of a decision for each tip (k,), no reaction counting 0."""
        pleased = _pleased(self.utilities(truth))
        fickle, tells = self.person.fickle, self.person.tells
        helpful = pleased * (1.0 - fickle) + (1.0 - pleased) * fickle
        verdict = VERDICTS["helpful"] * helpful + VERDICTS["not_helpful"] * (1.0 - helpful)
        done = DONE * pleased
        outcome = OUTCOMES["done"] * done + (1.0 - done) * (
            SNOOZED * OUTCOMES["snoozed"] + (1.0 - SNOOZED) * OUTCOMES["dismissed"]
        )
        # Whoever neither acts nor wants to tell is asked, and tells after all.
        rewards: Array = self.person.engagement * ((1.0 - ACTS * (1.0 - tells)) * verdict + ACTS * outcome)
        return rewards

    def reactions(self, utility: float, chance: Generator) -> list[Reaction]:
        """What the person does about a tip of this utility, in order; nothing when they look away."""
        person, pleased = self.person, float(_pleased(np.float64(utility)))
        if chance.random() >= person.engagement:
            return []
        acts = chance.random() < ACTS
        tells = chance.random() < person.tells or not acts
        seen_us = int(chance.exponential(10.0) * 60 * SECOND_US) + 5 * SECOND_US
        found = []
        if tells:
            likes = chance.random() < pleased
            found.append(Reaction("helpful" if likes else "not_helpful", seen_us))
            if chance.random() < REPEATS:
                found.append(Reaction(found[0].action, seen_us + 2 * SECOND_US))
            if chance.random() < person.fickle:
                later_us = seen_us + int(chance.uniform(0.1, 3.0) * HOUR_US)
                found.append(Reaction("not_helpful" if likes else "helpful", later_us))
        if acts:
            after_us = seen_us + int(chance.uniform(1.0, 40.0) * 60 * SECOND_US)
            found.append(Reaction(_outcome(pleased, chance), after_us))
        return sorted(found, key=lambda reaction: reaction.after_us)


def _pleased(utility: Array | np.float64) -> Array:
    """The chance that a tip of this utility pleases."""
    chance: Array = 1.0 / (1.0 + np.exp(-STEEPNESS * utility))
    return chance


def _outcome(pleased: float, chance: Generator) -> Action:
    if chance.random() < DONE * pleased:
        return "done"
    return "snoozed" if chance.random() < SNOOZED else "dismissed"
