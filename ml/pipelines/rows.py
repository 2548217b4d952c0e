"""The decisions that a prior is fitted on, read from the log: the one place to exchange for another offline store."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

from contracts.envelope import Entry, Malformed
from contracts.errors import TipstreamError
from contracts.events.admin import UserErasureRequested
from contracts.events.person import TipScored
from contracts.feature_sets import CURRENT, DIMENSIONS
from ml.evaluation.evidence import Array, Flags
from ml.pipelines.segments import labels_of
from projections.folds.projection import State, advance
from projections.off_policy.walk import YOUNG_US

HELD_OUT = 0.2
"""The share of the latest decisions that a model is judged on and not fitted on."""

MIN_REACTIONS = 50


class TooLittle(TipstreamError):
    """The log has too few decisions with a reaction to fit a prior on; wait, or take young ones too."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """n decisions of ours in the log's order; `x` (n, d) is the row of the tip shown, the others are (n,).

    `person` numbers people as they come and names nobody. `reward` is what the reactions so far come to, 0 where
    `reacted` is false. `labels` are the groups of `segments.labels_of`; `occurred_us` is in microseconds since 1970.
    """

    feature_set: str
    seq: Array
    person: Array
    occurred_us: Array
    x: Array
    reward: Array
    propensity: Array
    reacted: Flags
    labels: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.seq)

    @property
    def cut(self) -> int:
        """Where the held-out decisions begin."""
        return len(self) - int(len(self) * HELD_OUT)

    def only(self, chosen: Flags) -> "Rows":
        """The decisions where `chosen` (n,) is true."""
        return Rows(
            feature_set=self.feature_set,
            seq=self.seq[chosen],
            person=self.person[chosen],
            occurred_us=self.occurred_us[chosen],
            x=self.x[chosen],
            reward=self.reward[chosen],
            propensity=self.propensity[chosen],
            reacted=self.reacted[chosen],
            labels=tuple(label for label, kept in zip(self.labels, chosen, strict=True) if kept),
        )

    @property
    def fitted_on(self) -> "Rows":
        """The decisions before the held-out ones."""
        return self.only(np.arange(len(self)) < self.cut)

    def digest(self) -> str:
        """SHA-256 over all of it."""
        found = hashlib.sha256(repr((self.feature_set, self.labels)).encode())
        for array in (self.seq, self.person, self.occurred_us, self.x, self.reward, self.propensity, self.reacted):
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()


@dataclass(slots=True)
class _Row:
    user_id: str
    seq: int
    recorded_us: int
    occurred_us: int
    x: list[float]
    propensity: float
    labels: tuple[str, ...]
    reward: float = 0.0
    reacted: bool = False


@dataclass(slots=True)
class Gathering:
    """Folds a log from its first event and keeps what `Rows` holds; people who are erased leave no row."""

    segment: str
    young: bool = False
    _state: State = field(default_factory=State)
    _rows: OrderedDict[str, _Row] = field(default_factory=OrderedDict)
    _now_us: int = 0

    def take(self, item: Entry | Malformed) -> None:
        """Fold one message."""
        step, _ = advance(self._state, item)
        self._now_us = max(self._now_us, step.recorded_us)
        event = step.entry.event if step.entry is not None else None
        if isinstance(event, TipScored) and not event.external and event.feature_set == CURRENT:
            row = _Row(
                event.user_id, step.seq, step.recorded_us, event.occurred_at, event.x, event.propensity,
                labels_of(event, self.segment),
            )  # fmt: skip
            self._rows.setdefault(event.decision_id, row)
        elif isinstance(event, UserErasureRequested):
            self._rows = OrderedDict((key, row) for key, row in self._rows.items() if row.user_id != event.user_id)
        for join in step.joins:
            known = self._rows.get(join.decision.decision_id)
            if known is not None:
                known.reward, known.reacted = join.decision.reward, True

    def finish(self) -> Rows:
        """The rows. Raises TooLittle."""
        kept = [row for row in self._rows.values() if self.young or row.recorded_us <= self._now_us - YOUNG_US]
        reactions = sum(row.reacted for row in kept)
        if reactions < MIN_REACTIONS:
            left = len(self._rows) - len(kept)
            raise TooLittle(
                f"{reactions} decisions with a reaction can be used and at least {MIN_REACTIONS} are needed; {left:,} "
                "are younger than 24 h of stream time (--young takes them too)"
            )
        people = {user_id: at for at, user_id in enumerate(dict.fromkeys(row.user_id for row in kept))}
        return Rows(
            feature_set=CURRENT,
            seq=np.array([row.seq for row in kept], dtype=np.float64),
            person=np.array([people[row.user_id] for row in kept], dtype=np.float64),
            occurred_us=np.array([row.occurred_us for row in kept], dtype=np.float64),
            x=np.array([row.x for row in kept]).reshape(len(kept), DIMENSIONS[CURRENT]),
            reward=np.array([row.reward for row in kept]),
            propensity=np.array([row.propensity for row in kept]),
            reacted=np.array([row.reacted for row in kept], dtype=np.bool_),
            labels=tuple(row.labels for row in kept),
        )
