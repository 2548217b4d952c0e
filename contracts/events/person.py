"""What comes from and about one person: feedback, signals, decisions and shadow decisions."""

from typing import Annotated, Any, ClassVar, Self

import orjson
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from contracts.events.base import Count, Event, Id, Name, Part
from contracts.rewards import Action
from contracts.times import Moment, format_time

Values = Annotated[dict[Name, float], Field(min_length=1, max_length=64)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
MAX_CANDIDATES = 1000
MAX_DEPTH = 32


def _shallow(context: dict[str, Any]) -> dict[str, Any]:
    # JSON writers give up some hundred levels down, and then the row of an accepted event could not be written.
    level: list[Any] = [context]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return context
    raise ValueError(f"must not be nested more than {MAX_DEPTH} levels deep")


Context = Annotated[dict[str, Any], AfterValidator(_shallow), Field(description="everything the feature function read")]


class FeedbackReceived(Event):
    """What a person did with a tip; without `decision_id` it joins their latest decision of the last 24 h."""

    TYPE: ClassVar[str] = "tipstream.feedback.received"
    SUBJECT: ClassVar[str] = "tips.feedback.{action}.{user_id}"

    user_id: Id
    action: Action
    event_id: Id | None = None
    decision_id: Id | None = None
    tip_id: Id | None = None
    occurred_at: Moment | None = None

    def happened_us(self) -> int | None:
        return self.occurred_at


class SignalObserved(Event):
    """Values that a source (calendar, steps, sleep...) observed, and when that source's token expires."""

    TYPE: ClassVar[str] = "tipstream.signal.observed"
    SUBJECT: ClassVar[str] = "tips.signal.{source}.{user_id}"

    user_id: Id
    source: Name
    values: Values
    event_id: Id | None = None
    observed_at: Moment | None = None
    token_expires_at: Moment | None = None

    def happened_us(self) -> int | None:
        return self.observed_at


class InlineCandidate(Part):
    """A candidate whose features the caller supplied instead of the catalog."""

    tip_id: Id
    features: dict[str, float | str]


class TipScored(Event):
    """One scoring call and its choice, with everything needed to recompute it; `latency_us` is in microseconds.

    `candidates`, `mean`, `bonus` and `score` are parallel lists; an external decision may leave the last three
    and `x` empty, since its scores are not ours.
    """

    TYPE: ClassVar[str] = "tipstream.tip.scored"
    SUBJECT: ClassVar[str] = "tips.scored.{user_id}"

    decision_id: Id
    user_id: Id
    policy: Name
    policy_version: Count = 0
    params: dict[str, float] = Field(default_factory=dict)
    feature_set: Name
    model_version: str = "none"
    kernel: str = "none"
    state_version: Count = 0
    catalog_seq: Count = 0
    model_seq: Count = 0
    context: Context
    candidates: Annotated[list[Id | InlineCandidate], Field(min_length=1, max_length=MAX_CANDIDATES)]
    mean: list[float] = Field(default_factory=list)
    bonus: list[float] = Field(default_factory=list)
    score: list[float] = Field(default_factory=list)
    x_digest: Digest | None = None
    tip_id: Id
    x: list[float] = Field(default_factory=list)
    features: dict[str, float | str] = Field(default_factory=dict)
    propensity: Annotated[float, Field(gt=0, le=1)]
    explored: bool = False
    missing: list[str] = Field(default_factory=list)
    stale_sources: list[str] = Field(default_factory=list)
    latency_us: Count = 0
    occurred_at: Moment
    external: bool = False

    def happened_us(self) -> int | None:
        return self.occurred_at

    def to_json(self) -> bytes:
        # Written for every decision while its caller waits: a third of the time of the general way, for equal JSON.
        body = {name: value for name, value in self.__dict__.items() if value is not None}
        body["occurred_at"] = format_time(self.occurred_at)
        return orjson.dumps(body, default=_described)

    def candidate_ids(self) -> list[str]:
        """The tips that could have been shown, in the order of the score lists."""
        return [one if isinstance(one, str) else one.tip_id for one in self.candidates]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = self.candidate_ids()
        if self.tip_id not in ids:
            raise ValueError("tip_id must be one of candidates")
        if len(set(ids)) != len(ids):
            raise ValueError("candidates must not repeat a tip")
        for name in ("mean", "bonus", "score"):
            length = len(getattr(self, name))
            if length != len(ids) and not (self.external and length == 0):
                raise ValueError(f"{name} must be as long as candidates ({len(ids)}), it has {length}")
        if not self.external and (not self.x or self.x_digest is None):
            raise ValueError("x and x_digest are required unless the decision is external")
        return self


def _described(value: Any) -> Any:
    if isinstance(value, InlineCandidate):
        return value.model_dump()
    raise TypeError(f"a decision may not hold a {type(value).__name__}")


class ShadowScored(Event):
    """What would have been chosen for a decision by a policy in shadow, or by its own under a prior in shadow."""

    TYPE: ClassVar[str] = "tipstream.shadow.scored"
    SUBJECT: ClassVar[str] = "tips.shadow.{policy}.{user_id}"

    decision_id: Id
    user_id: Id
    policy: Name
    policy_version: Count = 0
    model_version: Id | None = Field(default=None, description="the prior in shadow; without it, the promoted one")
    params: dict[str, float] = Field(default_factory=dict)
    kernel: str = "none"
    state_version: Count
    tip_id: Id
    score: float
    propensity: Annotated[float, Field(gt=0, le=1)]
    agreed: bool
    chosen_propensity: Annotated[
        float, Field(ge=0, le=1, description="this policy's propensity of the tip that was shown")
    ]
    latency_us: Count = 0
    occurred_at: Moment

    def happened_us(self) -> int | None:
        return self.occurred_at
