"""One walk over the log that judges every decision by a target policy, and gathers what its rewards say of it.

Memory is bounded: the evidence has a fixed size, and a decision is held only while a reaction may still change its
reward, which is a month of stream time; only the changes of people's sums are kept whole, as `verify` keeps them.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from contracts.envelope import Entry, Malformed
from contracts.events.admin import UserErasureRequested
from contracts.events.person import TipScored
from contracts.times import DAY_US
from ml.evaluation.estimate import Estimate
from ml.evaluation.evidence import Decisions, Evidence
from ml.policies.recompute import NotRecomputable
from projections.audit import Past
from projections.folds.projection import State, advance
from projections.off_policy.targets import Judged, Target

BATCH = 1000
YOUNG_US = DAY_US


@dataclass(frozen=True, slots=True)
class Span:
    """Which decisions count: from `since_us`, before `until_us` (None: open), and whether those under 24 h do.

    Only those from `from_seq` on do.
    """

    since_us: int | None = None
    until_us: int | None = None
    young: bool = False
    from_seq: int = 0

    def holds(self, event: TipScored, seq: int) -> bool:
        """Whether the decision happened within it."""
        since, until = self.since_us, self.until_us
        within = (since is None or event.occurred_at >= since) and (until is None or event.occurred_at < until)
        return within and seq >= self.from_seq


@dataclass(slots=True)
class Open:
    """A decision whose reward may still change; `judged` is None where only what it earned counts."""

    user_id: str
    policy: str
    recorded_us: int
    external: bool
    made: bool
    judged: Judged | None
    labels: Sequence[str] = ()
    reward: float = 0.0


@dataclass(slots=True)
class Earned:
    """Rewards of decisions that the target made itself."""

    n: int = 0
    first: float = 0.0
    second: float = 0.0

    def estimate(self) -> Estimate | None:
        """Their mean, None for fewer than two."""
        return Estimate.mean(self.first, self.second, self.n) if self.n > 1 else None


@dataclass(slots=True)
class Walk:
    """Folds the log from its first event; `policies` counts whose decisions were used, `left_out` by reason those that
    could not be.

    `labels` names groups that a decision belongs to; `groups` has the evidence of each.
    """

    target: Target
    span: Span
    labels: Callable[[TipScored], Sequence[str]] = lambda _: ()
    groups: dict[str, Evidence] = field(default_factory=dict)
    evidence: Evidence = field(init=False)
    earned: Earned = field(default_factory=Earned)
    policies: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    _state: State = field(default_factory=State)
    _past: Past = field(init=False)
    _open: OrderedDict[str, Open] = field(default_factory=OrderedDict)
    _rows: list[tuple[Judged, float, Sequence[str]]] = field(default_factory=list)
    _now_us: int = 0

    def __post_init__(self) -> None:
        self.evidence = Evidence(self.target.d)
        self._past = Past(self._state)

    def take(self, item: Entry | Malformed) -> None:
        """Fold one message."""
        step, _ = advance(self._state, item)
        self._now_us = max(self._now_us, step.recorded_us)
        event = step.entry.event if step.entry is not None else None
        # Before its own joins: feedback that waited for a decision was not known when it was made.
        if isinstance(event, TipScored) and self.span.holds(event, step.seq):
            self._judge(event, step.recorded_us)
        elif isinstance(event, UserErasureRequested):
            self._open = OrderedDict((key, one) for key, one in self._open.items() if one.user_id != event.user_id)
        self._past.observe(step)
        for join in step.joins:
            held = self._open.get(join.decision.decision_id)
            if held is not None:
                held.reward = join.decision.reward
        while self._open and (oldest := next(iter(self._open))) not in self._state.attribution.decisions:
            self._settle(self._open.pop(oldest))

    def finish(self) -> None:
        """Settle what is still open at the end of the log."""
        for held in self._open.values():
            if held.external or self.span.young or held.recorded_us <= self._now_us - YOUNG_US:
                self._settle(held)
            elif held.judged is not None:
                self.left_out["younger than 24 h of stream time"] += 1
        self._open.clear()
        self._gather()

    def _judge(self, event: TipScored, recorded_us: int) -> None:
        made, judged = self.target.made(event), None
        if self.target.concerns(event):
            try:
                judged = self.target.judge(event, self._past)
            except NotRecomputable as problem:
                self.left_out[str(problem) if event.external else "cannot be made again (see `tipstream verify`)"] += 1
        if made or judged is not None:
            self._open[event.decision_id] = Open(
                event.user_id, event.policy, recorded_us, event.external, made, judged, self.labels(event)
            )

    def _settle(self, held: Open) -> None:
        if held.made:
            self.earned.n += 1
            self.earned.first += held.reward
            self.earned.second += held.reward**2
        if held.judged is not None:
            self.policies[held.policy] += 1
            self._rows.append((held.judged, held.reward, held.labels))
            if len(self._rows) == BATCH:
                self._gather()

    def _gather(self) -> None:
        if self._rows:
            self.evidence.add(_decisions(self._rows))
        for label in sorted({label for _, _, labels in self._rows for label in labels}):
            group = self.groups.setdefault(label, Evidence(self.target.d))
            group.add(_decisions([row for row in self._rows if label in row[2]]))
        self._rows.clear()


def _decisions(rows: Sequence[tuple[Judged, float, Sequence[str]]]) -> Decisions:
    judged = [one for one, _, _ in rows]
    return Decisions(
        reward=np.array([reward for _, reward, _ in rows]),
        logged=np.array([one.logged for one in judged]),
        target=np.array([one.target for one in judged]),
        x=np.stack([one.x for one in judged]),
        expected_x=np.stack([one.expected_x for one in judged]),
        unsupported=np.array([one.unsupported for one in judged]),
        uniform=np.array([one.uniform for one in judged]),
        agrees=np.array([one.agrees for one in judged]),
    )
