"""Every decision of the log recomputed from the state it names, wherever it stands in the stream.

A decision may be stored after events that changed the person's state further, so the changes of each person are kept
and the sums at an earlier version are added up again, in the same order and so to the same bits.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

from contracts.events.admin import BanditReset, UserErasureRequested
from contracts.events.person import TipScored
from ml.policies.recompute import Finding, NotRecomputable, Recomputer
from projections.folds.attribution import Step
from projections.folds.learning import Person, Sums
from projections.folds.policies import Model
from projections.folds.projection import State

SHOWN = 20
RESET = None


@dataclass(frozen=True, slots=True)
class Learned:
    """One pull, or correction of pull number `pulled`: what a person's sums learned, under which gammas."""

    feature_set: str
    x: bytes
    delta: float
    pulled: int
    gammas: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A decision that does not recompute: where it stands and what differs."""

    seq: int
    decision_id: str
    differences: tuple[str, ...]


@dataclass(slots=True)
class Past:
    """What changed each person's sums in a log that is folded into `state` from its first event on."""

    state: State
    _changes: dict[str, list[Learned | None]] = field(default_factory=dict)
    recomputer: Recomputer = field(init=False)

    def __post_init__(self) -> None:
        self.recomputer = Recomputer(self.state.catalog.at)

    def observe(self, step: Step) -> None:
        """Take in a step that has just been folded into `state`."""
        for join in step.joins:
            if join.effect != "none":
                decision = join.decision
                corrected = decision.pulled if join.effect == "correction" else 0
                gammas = self.state.policies.gammas
                change = Learned(decision.feature_set, decision.x, join.delta, corrected, gammas)
                self._changes.setdefault(decision.user_id, []).append(change)
        event = step.entry.event if step.entry is not None else None
        if isinstance(event, BanditReset):
            self._changes.setdefault(event.user_id, []).append(RESET)
        elif isinstance(event, UserErasureRequested):
            self._changes.pop(event.user_id, None)

    def check(self, event: TipScored) -> Finding:
        """A decision computed again from the sums at its `state_version`, and compared."""
        if event.external:
            return Finding("external")
        try:
            return self.recomputer.check(event, *self.basis(event, event.params.get("gamma", 1.0)))
        except NotRecomputable as error:
            return Finding("mismatched", (str(error),))

    def basis(self, event: TipScored, gamma: float) -> tuple[Sums | None, Model | None]:
        """What was known at one of our decisions: the sums at its `state_version` as they fade by gamma, to be read at
        once, and its model. Raises NotRecomputable.
        """
        changes = self._changes.get(event.user_id, [])
        if event.state_version > len(changes):
            raise NotRecomputable(
                f"state_version {event.state_version} is ahead of the log, which knows {len(changes)}"
            )
        person = self.person_at(event.user_id, event.state_version)
        if gamma not in (1.0, event.params.get("gamma", 1.0)):
            # The log has not kept sums that fade so; they follow from the same changes.
            faded = [change and replace(change, gammas=(gamma,)) for change in changes[: event.state_version]]
            person = person_after(faded)
        return person.at(event.feature_set, gamma), self.state.policies.model(event.feature_set, event.model_seq)

    def person_at(self, user_id: str, version: int) -> Person:
        """What was known of a person at a version that the log has reached; only its sums count."""
        person, changes = self.state.learning.people.get(user_id), self._changes.get(user_id, [])
        # The fold has already seen this decision's own step, so only an unchanged version is the one at hand.
        if person is not None and person.version == version == len(changes):
            return person
        return person_after(changes[:version])


@dataclass(slots=True)
class ScoreAudit:
    """Watches a fold of the log from its first event and checks each decision as it comes by."""

    state: State
    verdicts: Counter[str] = field(default_factory=Counter)
    mismatches: list[Mismatch] = field(default_factory=list)
    _past: Past = field(init=False)

    def __post_init__(self) -> None:
        self._past = Past(self.state)

    def observe(self, step: Step) -> None:
        """Take in a step that has just been folded into `state`."""
        # Before its own joins: feedback that waited for a decision does not count for it.
        if step.entry is not None and isinstance(step.entry.event, TipScored):
            self._check(step.seq, step.entry.event)
        self._past.observe(step)

    def _check(self, seq: int, event: TipScored) -> None:
        finding = self._past.check(event)
        self.verdicts[finding.verdict] += 1
        if finding.verdict == "mismatched" and len(self.mismatches) < SHOWN:
            self.mismatches.append(Mismatch(seq, event.decision_id, finding.differences))


def person_after(changes: list[Learned | None]) -> Person:
    """What these changes taught of a person."""
    person = Person()
    for change in changes:
        if change is RESET:
            person.forget()
        else:
            person.learn(change.feature_set, change.x, change.delta, pulled=change.pulled, gammas=change.gammas)
    return person
