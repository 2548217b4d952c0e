"""The stream position that a store or a snapshot holds, with all that must match before folding goes on from it."""

from dataclasses import dataclass
from typing import Protocol

from contracts.envelope import Recorded
from contracts.feature_sets import CURRENT
from contracts.headers import MSG_ID
from projections.folds.projection import FOLD_VERSION


class StreamState(Protocol):
    """The part of a stream's description that a checkpoint is compared with."""

    @property
    def name(self) -> str: ...
    @property
    def created(self) -> str: ...
    @property
    def first_seq(self) -> int: ...
    @property
    def last_seq(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything up to `seq` is folded: the stream and its incarnation, that message's time (nanoseconds) and id."""

    stream: str
    created: str
    seq: int
    recorded_ns: int
    message_id: str
    fold_version: int
    feature_set: str

    @property
    def recorded_us(self) -> int:
        """The stream's time at the checkpoint, microseconds since 1970."""
        return self.recorded_ns // 1000

    def mismatch(self, info: StreamState, there: Recorded | None) -> str | None:
        """Why this checkpoint is none of the stream `info`, whose message at `seq` is `there`; None when it is.

        A message that is gone (its person was erased) proves nothing against a checkpoint. A stream that was restored
        has a new incarnation: ids derived from it change, so its tables are folded again too.
        """
        if self.fold_version != FOLD_VERSION:
            return f"it was folded by version {self.fold_version}, this is version {FOLD_VERSION}"
        if self.feature_set != CURRENT:
            return f"its feature set is {self.feature_set}, not {CURRENT}"
        if (self.stream, self.created) != (info.name, info.created):
            return f"it is of stream {self.stream} of {self.created}, not of {info.name} of {info.created}"
        if self.seq > info.last_seq:
            return f"it stands at {self.seq}, the stream ends at {info.last_seq}"
        if there is not None and (there.recorded_ns, message_id(there)) != (self.recorded_ns, self.message_id):
            return f"the stream holds another message at {self.seq}"
        return None


def checkpoint_at(info: StreamState, recorded: Recorded) -> Checkpoint:
    """The checkpoint of what this code folds once `recorded` is folded."""
    return Checkpoint(
        stream=info.name,
        created=info.created,
        seq=recorded.seq,
        recorded_ns=recorded.recorded_ns,
        message_id=message_id(recorded),
        fold_version=FOLD_VERSION,
        feature_set=CURRENT,
    )


def message_id(recorded: Recorded) -> str:
    """The id under which a message was published, "" when it had none."""
    return recorded.headers.get(MSG_ID, "")
