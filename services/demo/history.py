"""A past for simulated people: their signals, decisions and reactions in the order in which a stream would hold them.

Nothing is made up beside the system: each message is folded as soon as it is made, and each decision is made by the
scorer's own code from the state so far, as if the clock had stood at its moment.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from contracts.codec import as_recorded, encode
from contracts.envelope import Message
from contracts.events.base import Event
from contracts.events.person import FeedbackReceived, SignalObserved, TipScored
from contracts.times import DAY_US, SECOND_US
from ml.policies.decision import Decider, ScoringCall
from services.demo.days import Report, day_of, reports, wishes
from services.demo.people import Person, people
from services.demo.present import Present
from services.demo.reactions import Heart, Reaction, Shelf
from services.recommender.assignment import assign
from services.recommender.context import context_of

SOURCE = "/tipstream/demo"
_REACTIONS = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """Which people and which time (microseconds since 1970, UTC) a history covers; everything else follows."""

    seed: int
    people: int
    start_us: int
    days: int

    @property
    def end_us(self) -> int:
        return self.start_us + self.days * DAY_US

    @property
    def prefix(self) -> str:
        """What the ids of its events begin with."""
        start = datetime.fromtimestamp(self.start_us // SECOND_US, UTC)
        return f"demo-{self.seed}-{start:%Y%m%d%H%M}"


@dataclass(slots=True)
class Tally:
    """What a policy's decisions were worth by the hidden utility; also the best tips and, on average, all of them."""

    decisions: int = 0
    gained: float = 0.0
    best: float = 0.0
    chance: float = 0.0

    def means(self) -> tuple[float, float, float]:
        """Mean expected reward of a decision: as chosen, the best possible, at random."""
        n = max(1, self.decisions)
        return self.gained / n, self.best / n, self.chance / n


@dataclass(frozen=True, slots=True)
class Told:
    """A reaction on its way: who reacts to which decision."""

    decision_id: str
    number: int
    reaction: Reaction


@dataclass(slots=True)
class History:
    """Makes the messages of a plan and folds each into `present`; `policy` overrules the policies that are live.

    `recorded_ns` is what the stream's clock will roughly say of them; their sequence numbers go on from the state's.
    """

    plan: Plan
    present: Present
    recorded_ns: int
    policy: str | None = None
    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    counts: Counter[str] = field(default_factory=Counter)
    now_us: int = 0
    _decider: Decider = field(default_factory=Decider)
    _agenda: list[tuple[int, int, Person, Report | Told | None]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=count)

    @property
    def covered(self) -> float:
        """The share of the plan's time that has passed."""
        return max(0.0, self.now_us - self.plan.start_us) / (self.plan.end_us - self.plan.start_us)

    def messages(self) -> Iterator[Message]:
        """All messages in order; each has been folded into `state` when it is handed out."""
        plan = self.plan
        tips = self.present.state.catalog.active()
        shelf, candidates = Shelf.of(tips), [tip.tip_id for tip in tips]
        everybody = people(plan.seed, plan.people)
        hearts = {person.user_id: Heart(person, shelf) for person in everybody}
        for number in range(plan.start_us // DAY_US, -(-plan.end_us // DAY_US)):
            for person in everybody:
                for report in reports(person, number):
                    self._plan(report.at_us, person, report)
                for at_us in wishes(person, number):
                    self._plan(at_us, person, None)
            day_end = min(plan.end_us, (number + 1) * DAY_US)
            while self._agenda and self._agenda[0][0] < day_end:
                self.now_us, _, person, what = heapq.heappop(self._agenda)
                if isinstance(what, Report):
                    yield self._signal(person, what)
                elif isinstance(what, Told):
                    yield self._feedback(person, what)
                else:
                    yield self._decision(hearts[person.user_id], shelf, candidates)

    def _plan(self, at_us: int, person: Person, what: Report | Told | None) -> None:
        if self.plan.start_us <= at_us < self.plan.end_us:
            heapq.heappush(self._agenda, (at_us, next(self._order), person, what))

    def _signal(self, person: Person, report: Report) -> Message:
        event = SignalObserved(
            user_id=person.user_id,
            source=report.source,
            values=report.values,
            observed_at=report.at_us,
            token_expires_at=report.token_expires_us,
        )
        return self._fold(event, f"{self._name(person)}-s{self._next(person, 's')}")

    def _feedback(self, person: Person, told: Told) -> Message:
        event = FeedbackReceived(
            user_id=person.user_id,
            action=told.reaction.action,
            decision_id=told.decision_id,
            occurred_at=self.now_us,
        )
        return self._fold(event, f"{told.decision_id}-f{told.number}")

    def _decision(self, heart: Heart, shelf: Shelf, candidates: list[str]) -> Message:
        person, now_us = heart.person, self.now_us
        number = self._next(person, "d")
        state = self.present.state
        policy = self.policy or assign(person.user_id, {one.policy: one.weight for one in state.policies.live()})
        context, _ = context_of(self.present.online[person.user_id].values(), {}, now_us)
        call = ScoringCall(f"{self._name(person)}-d{number}", person.user_id, policy, candidates)
        event = self._decider.decide(state, call, self._decider.read(context, now_us), now_us)
        message = self._fold(event, event.decision_id)
        self._answer(heart, shelf, event, number)
        return message

    def _answer(self, heart: Heart, shelf: Shelf, event: TipScored, number: int) -> None:
        """Let the person react in time, and note what the choice was worth."""
        person, chosen = heart.person, shelf.at(event.tip_id)
        truth = day_of(person, self.now_us // DAY_US).truth(self.now_us)
        worth = heart.expected_rewards(truth)
        tally = self.tallies[event.policy]
        tally.decisions += 1
        tally.gained += float(worth[chosen])
        tally.best += float(worth.max())
        tally.chance += float(worth.mean())
        utility = float(heart.utilities(truth)[chosen])
        chance = person.generator(_REACTIONS, self.plan.start_us // SECOND_US, number)
        for place, reaction in enumerate(heart.reactions(utility, chance)):
            self._plan(self.now_us + reaction.after_us, person, Told(event.decision_id, place, reaction))

    def _fold(self, event: Event, event_id: str) -> Message:
        message = encode(event, event_id=event_id, source=SOURCE)
        self.present.fold(as_recorded(message, self.present.state.seq + 1, self.recorded_ns))
        self.counts[event.TYPE] += 1
        return message

    def _name(self, person: Person) -> str:
        return f"{self.plan.prefix}-{person.index + 1}"

    def _next(self, person: Person, kind: str) -> int:
        key = f"{person.index}{kind}"
        self.counts[key] += 1
        return self.counts[key]
