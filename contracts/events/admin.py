"""What admins, the CLI and the system itself do; every one of these is signed."""

import math
from itertools import chain
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from contracts.events.base import Count, Id, Name, Part, Position, SignedEvent, Text
from contracts.events.person import Digest
from contracts.feature_sets import DIMENSIONS
from contracts.times import Moment

Params = dict[str, float]
Projection = Literal["sqlite", "analytics", "query", "scorer"]
SYMMETRY = 1e-9
"""How far, of an entry or of 1, two that mirror each other may lie apart: a sum in another order."""
LEAST_PIVOT, LARGEST_PRIOR = 1e-9, 1e15
"""Within these a prior's inverse and what comes of it are finite; a lambda is 1 or near it."""


class StreamStarted(SignedEvent):
    """The first event of a stream: names the Ed25519 key (base64, 32 bytes) that signs all that follows."""

    TYPE: ClassVar[str] = "tipstream.stream.started"
    SUBJECT: ClassVar[str] = "tips.admin.stream.started"

    stream: str
    key_id: str
    public_key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]


class PolicyEnabled(SignedEvent):
    """A policy may choose for people again, for its weight's share of them."""

    TYPE: ClassVar[str] = "tipstream.policy.enabled"
    SUBJECT: ClassVar[str] = "tips.admin.policy.enabled.{policy}"

    policy: Name
    params: Params = Field(default_factory=dict)
    weight: Annotated[float, Field(gt=0, le=1)] = 1.0


class PolicyDisabled(SignedEvent):
    """A policy no longer chooses, nor shadows."""

    TYPE: ClassVar[str] = "tipstream.policy.disabled"
    SUBJECT: ClassVar[str] = "tips.admin.policy.disabled.{policy}"

    policy: Name


class PolicyShadowed(SignedEvent):
    """A policy scores along without touching anyone."""

    TYPE: ClassVar[str] = "tipstream.policy.shadowed"
    SUBJECT: ClassVar[str] = "tips.admin.policy.shadowed.{policy}"

    policy: Name
    params: Params = Field(default_factory=dict)


class PolicyPromoted(SignedEvent):
    """A policy becomes the one live policy; those that were live are disabled."""

    TYPE: ClassVar[str] = "tipstream.policy.promoted"
    SUBJECT: ClassVar[str] = "tips.admin.policy.promoted.{policy}"

    policy: Name
    params: Params = Field(default_factory=dict)


class Arm(Part):
    """One policy of an experiment and its share of the people in it."""

    policy: Name
    weight: Annotated[float, Field(gt=0)]


class ExperimentStarted(SignedEvent):
    """People are assigned to arms by a salted hash from now on; `holdback` is the share left out."""

    TYPE: ClassVar[str] = "tipstream.experiment.started"
    SUBJECT: ClassVar[str] = "tips.admin.experiment.started.{experiment_id}"

    experiment_id: Id
    name: Text
    salt: Text
    arms: Annotated[list[Arm], Field(min_length=1, max_length=20)]
    holdback: Annotated[float, Field(ge=0, lt=1)] = 0.0


class ExperimentStopped(SignedEvent):
    """No one is assigned by this experiment any more."""

    TYPE: ClassVar[str] = "tipstream.experiment.stopped"
    SUBJECT: ClassVar[str] = "tips.admin.experiment.stopped.{experiment_id}"

    experiment_id: Id


class BanditReset(SignedEvent):
    """What was learned of a person is forgotten; decisions made before are no longer learned from."""

    TYPE: ClassVar[str] = "tipstream.bandit.reset"
    SUBJECT: ClassVar[str] = "tips.admin.bandit.reset.{user_id}"

    user_id: Id


class ReplayRequested(SignedEvent):
    """Projections are to be folded again beside the live ones (`rebuild`), or the last switch undone (`back`)."""

    TYPE: ClassVar[str] = "tipstream.replay.requested"
    SUBJECT: ClassVar[str] = "tips.admin.replay.requested.{replay_id}"

    replay_id: Id
    mode: Literal["rebuild", "back"] = "rebuild"
    projections: Annotated[list[Projection], Field(min_length=1)]
    user_id: Id | None = None
    upto_seq: Position | None = None
    upto_time: Moment | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if self.upto_seq is not None and self.upto_time is not None:
            raise ValueError("give upto_seq or upto_time, not both")
        return self


class TableDigests(Part):
    """A table's digest in the live version, where that could be compared, and as folded again."""

    live: Digest | None = None
    rebuilt: Digest


class ReplayResult(Part):
    """What became of one projection: both digests at the same sequence, by table too, and whether it was switched."""

    projection: Projection
    version: Count
    upto_seq: Count
    live_digest: Digest | None = None
    rebuilt_digest: Digest | None = None
    equal: bool | None = None
    switched: bool = False
    note: Text = ""
    tables: dict[Name, TableDigests] = Field(default_factory=dict, max_length=100)


class ReplayCompleted(SignedEvent):
    """A replay ended; `full` is False when the log no longer starts at StreamStarted or has unexplained gaps."""

    TYPE: ClassVar[str] = "tipstream.replay.completed"
    VERSION: ClassVar[int] = 2
    SUBJECT: ClassVar[str] = "tips.admin.replay.completed.{replay_id}"

    replay_id: Id
    outcome: Literal["done", "different", "failed"]
    full: bool
    events: Count
    duration_us: Count
    results: list[ReplayResult]
    detail: Text = ""


class UserErasureRequested(SignedEvent):
    """Everything about a person is to be erased and un-learned."""

    TYPE: ClassVar[str] = "tipstream.user.erasure_requested"
    SUBJECT: ClassVar[str] = "tips.admin.user.erasure_requested.{user_id}"

    user_id: Id


class UserErased(SignedEvent):
    """The receipt of an erasure: which sequences (first, last) no longer exist, without naming the person."""

    TYPE: ClassVar[str] = "tipstream.user.erased"
    SUBJECT: ClassVar[str] = "tips.admin.user.erased.{erasure_id}"

    erasure_id: Id
    ranges: list[Annotated[list[int], Field(min_length=2, max_length=2)]]


class QuerySaved(SignedEvent):
    """A query is kept under a name; it is the actor's, or still its `owner`'s when somebody else changed it."""

    TYPE: ClassVar[str] = "tipstream.query.saved"
    VERSION: ClassVar[int] = 2
    SUBJECT: ClassVar[str] = "tips.admin.query.saved.{query_id}"

    query_id: Id
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    sql: Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
    owner: Id | None = None


class QueryDeleted(SignedEvent):
    """A kept query is removed."""

    TYPE: ClassVar[str] = "tipstream.query.deleted"
    SUBJECT: ClassVar[str] = "tips.admin.query.deleted.{query_id}"

    query_id: Id


class SqlExecuted(SignedEvent):
    """Somebody's statement ran, failed or was refused; `door` says by which way it came."""

    TYPE: ClassVar[str] = "tipstream.sql.executed"
    SUBJECT: ClassVar[str] = "tips.admin.sql.executed"

    sql: Annotated[str, StringConstraints(max_length=20_000)]
    door: Literal["console", "quack"]
    outcome: Literal["ok", "failed", "refused", "timed_out", "ended"]
    duration_us: Count
    rows: Count | None = None
    error: Text | None = None


class PriorEvent(SignedEvent):
    """What an event says that carries a model's prior: `a0` is d x d, positive definite, `b0` has length d."""

    model_version: Id
    feature_set: Name
    a0: list[list[float]]
    b0: list[float]

    @model_validator(mode="after")
    def _square(self) -> Self:
        if any(len(row) != len(self.b0) for row in self.a0) or len(self.a0) != len(self.b0):
            raise ValueError("a0 must be a square matrix as wide as b0 is long")
        if len(self.b0) != DIMENSIONS.get(self.feature_set):
            raise ValueError(f"b0 must have the {DIMENSIONS.get(self.feature_set, 0)} features of {self.feature_set}")
        # No score can be made from another, so that nobody would get a tip from its promotion on.
        if not max(map(abs, chain(self.b0, *self.a0))) <= LARGEST_PRIOR:
            raise ValueError(f"a0 and b0 must not go beyond {LARGEST_PRIOR:g}")
        if not _is_positive_definite(self.a0):
            raise ValueError(f"a0 must be symmetric and positive definite, by {LEAST_PIVOT:g} at least")
        return self


def _is_positive_definite(a: list[list[float]]) -> bool:
    """Whether a symmetric matrix (d, d) has a Cholesky factor; by elementary steps in one order, so that every machine
    finds the same."""
    factor: list[list[float]] = []
    for i, row in enumerate(a):
        if any(abs(row[j] - a[j][i]) > SYMMETRY * max(1.0, abs(row[j])) for j in range(i)):
            return False
        found: list[float] = []
        for j in range(i + 1):
            # Not `sum`: from Python 3.12 on it compensates.
            rest = row[j]
            for k in range(j):
                rest -= found[k] * (factor[j][k] if j < i else found[k])
            if j == i and not rest >= LEAST_PIVOT:
                return False
            found.append(math.sqrt(rest) if j == i else rest / factor[j][j])
        factor.append(found)
    return True


class ModelShadowed(PriorEvent):
    """A model's prior scores along without touching anyone, in the place of the one of its feature set before it."""

    TYPE: ClassVar[str] = "tipstream.model.shadowed"
    SUBJECT: ClassVar[str] = "tips.admin.model.shadowed.{model_version}"


class ModelWithdrawn(SignedEvent):
    """A model's prior no longer scores along."""

    TYPE: ClassVar[str] = "tipstream.model.withdrawn"
    SUBJECT: ClassVar[str] = "tips.admin.model.withdrawn.{model_version}"

    model_version: Id
    feature_set: Name


class ModelPromoted(PriorEvent):
    """A model's prior joins every score from now on: A = a0 + S, b = b0 + c; `a0` is d x d, `b0` has length d.

    `rolled_back` names the version that a roll-back leaves; a promotion has none. `no_model` says that lambda counts
    again, and `a0` and `b0` do not; a roll-back to `neutral` from before there was this field scores from them.
    """

    TYPE: ClassVar[str] = "tipstream.model.promoted"
    SUBJECT: ClassVar[str] = "tips.admin.model.promoted.{model_version}"

    rolled_back: Id | None = None
    no_model: Literal[True] | None = None


class DeadLetterSkipped(SignedEvent):
    """An admin has looked at a dead letter and puts it aside."""

    TYPE: ClassVar[str] = "tipstream.dead_letter.skipped"
    SUBJECT: ClassVar[str] = "tips.admin.dead_letter.skipped.{seq}"

    seq: Position
