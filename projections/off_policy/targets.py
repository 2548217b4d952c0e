"""Policies whose worth a log is asked for: one of ours, or one that other people's imported decisions were made by."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from contracts.events.person import TipScored
from contracts.feature_sets import CURRENT, DIMENSIONS
from ml.evaluation.evidence import Array
from ml.policies.draw import draw_of
from ml.policies.params import PolicyParams
from ml.policies.recompute import NotRecomputable
from projections.audit import Past
from projections.folds.policies import Model

EVEN = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What a target policy makes of one logged decision; the fields are those of `ml.evaluation.evidence.Decisions`."""

    logged: float
    target: float
    x: Array
    expected_x: Array
    unsupported: float
    uniform: bool
    agrees: bool


class Target(Protocol):
    """A policy to be evaluated; `said` tells people what was taken for it, x has `d` entries."""

    name: str
    said: str
    d: int

    def concerns(self, event: TipScored) -> bool: ...
    def made(self, event: TipScored) -> bool: ...
    def judge(self, event: TipScored, past: Past) -> Judged: ...


@dataclass(slots=True)
class OurPolicy:
    """One of our policies, at every decision of ours with what the log knew of the person at that moment.

    It does not learn from its own choices: what is evaluated is choosing by what the log has learned. With a `model`
    it starts from that one's prior, instead of the one that was promoted at the time.
    """

    name: str
    params: PolicyParams
    model: Model | None = None
    said: str = field(init=False)
    d: int = DIMENSIONS[CURRENT]

    def __post_init__(self) -> None:
        numbers = ", ".join(f"{key} {value:g}" for key, value in self.params.logged(self.name).items())
        self.said = f"{self.name} with {numbers}, choosing by what the log knew of each person at each decision"
        if self.model is not None:
            self.said += f", under the prior of {self.model.model_version}"

    def concerns(self, event: TipScored) -> bool:
        """Whether it could have stood in for the log here: our own decisions of the present feature set."""
        return not event.external and event.feature_set == CURRENT

    def made(self, event: TipScored) -> bool:
        """Whether the decision is its own."""
        known = self.model is None or event.model_version == self.model.model_version
        return known and event.policy == self.name and event.params == self.params.logged(self.name)

    def judge(self, event: TipScored, past: Past) -> Judged:
        """Its propensities beside the log's, both from the same state. Raises NotRecomputable."""
        logged = past.recomputer.recompute(event, *past.basis(event, event.params.get("gamma", 1.0)))
        sums, model = past.basis(event, self.params.gamma)
        target = past.recomputer.recompute(self._instead(event), sums, self.model or model)
        at = event.candidate_ids().index(event.tip_id)
        mine, theirs = target.scored.choice, logged.scored.choice.propensities
        return Judged(
            logged=event.propensity,
            target=float(mine.propensities[at]),
            x=logged.scored.matrix[at],
            expected_x=mine.propensities @ logged.scored.matrix,
            unsupported=float(mine.propensities[theirs == 0.0].sum()),
            uniform=event.explored or bool(np.ptp(theirs) < EVEN),
            agrees=mine.index == at,
        )

    def _instead(self, event: TipScored) -> TipScored:
        # Another id is another draw: with the log's own, the target would agree with it more often than by chance.
        changed = {
            "policy": self.name,
            "params": self.params.logged(self.name),
            "decision_id": f"evaluate/{event.decision_id}",
        }
        return event.model_copy(update=changed)


@dataclass(slots=True)
class Frequencies:
    """How often an imported policy showed which tip at which position, counted over its own decisions."""

    shown: Counter[tuple[int, str]] = field(default_factory=Counter)
    tips: set[str] = field(default_factory=set)
    decisions: int = 0
    even: int = 0

    def add(self, event: TipScored) -> None:
        """Count a decision of the policy."""
        self.shown[position(event), event.tip_id] += 1
        self.tips.update(event.candidate_ids())
        self.decisions += 1
        self.even += is_even(event)


@dataclass(slots=True)
class ImportedPolicy:
    """A policy of imported decisions, of which only these are known: its frequencies of tip by position stand for it.

    One that always gave every candidate the same propensity is taken as what it is, uniform. x says which tip was
    shown, and at which position.
    """

    name: str
    frequencies: Frequencies
    said: str = field(init=False)
    d: int = field(init=False)
    _tips: dict[str, int] = field(init=False)
    _chances: Mapping[int, Array] = field(init=False)
    _places: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        counts, n = self.frequencies, self.frequencies.decisions
        self._tips = {tip: at for at, tip in enumerate(sorted(counts.tips))}
        self._places = {place: at for at, place in enumerate(sorted({place for place, _ in counts.shown}))}
        self.d = len(self._tips) + len(self._places)
        if counts.even == n:
            self.said = f"{self.name}, uniform: so it was in each of its {n:,} imported decisions"
            self._chances = {place: np.full(len(self._tips), 1.0 / len(self._tips)) for place in self._places}
        else:
            self.said = f"{self.name}, taken as the frequencies of tip by position in its {n:,} imported decisions"
            self._chances = {place: self._shares(place) for place in self._places}

    def concerns(self, event: TipScored) -> bool:
        """Whether it could have stood in for the log here: somebody else's decisions among the same tips."""
        return event.external and event.policy != self.name and self._tips.keys() == set(event.candidate_ids())

    def made(self, event: TipScored) -> bool:
        """Whether the decision is its own."""
        return event.external and event.policy == self.name

    def judge(self, event: TipScored, past: Past) -> Judged:
        """Its propensities beside the one that was logged. Raises NotRecomputable."""
        place = position(event)
        if place not in self._places:
            raise NotRecomputable(f"{self.name} never showed a tip at position {place}")
        chances, at = self._chances[place], self._tips[event.tip_id]
        even = is_even(event)
        drawn = int(np.searchsorted(chances.cumsum(), draw_of(f"evaluate/{event.decision_id}").uniform(), "right"))
        return Judged(
            logged=event.propensity,
            target=float(chances[at]),
            x=self._x(np.eye(1, len(chances), at)[0], place),
            expected_x=self._x(chances, place),
            # Other tips' propensities were not logged; only a choice with certainty tells that they were 0.
            unsupported=1.0 - float(chances[at]) if event.propensity == 1.0 and not even else 0.0,
            uniform=even,
            agrees=drawn == at,
        )

    def _shares(self, place: int) -> Array:
        counted = np.array([self.frequencies.shown[place, tip] for tip in self._tips], dtype=np.float64)
        shares: Array = counted / counted.sum()
        return shares

    def _x(self, tips: Array, place: int) -> Array:
        return np.concatenate((tips, np.eye(1, len(self._places), self._places[place])[0]))


def position(event: TipScored) -> int:
    """Where on the page an imported tip was shown; 0 when the log does not say."""
    given = event.features.get("position", 0.0)
    return int(given) if isinstance(given, int | float) else 0


def is_even(event: TipScored) -> bool:
    """Whether the tip shown had the propensity of a uniform choice."""
    return abs(event.propensity * len(event.candidates) - 1.0) < EVEN
