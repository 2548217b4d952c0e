"""What a stream holds right now, folded as far as deciding needs it: the scorer's state and the online features."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from contracts.codec import Decoder
from contracts.envelope import Message, Recorded
from projections.folds.changes import Put
from projections.folds.projection import State, advance
from projections.folds.signals import fold_signals
from projections.folds.tables import ONLINE_FEATURES

Row = dict[str, Any]


class Info(Protocol):
    """What is asked of the stream's state."""

    @property
    def last_seq(self) -> int: ...


class Bus(Protocol):
    """The stream, as far as the demo needs it."""

    async def info(self) -> Info: ...

    async def publish_batch(self, messages: Sequence[Message]) -> int: ...

    def read(
        self, after: int, *, upto: int | None = None, subjects: Sequence[str] = ()
    ) -> AsyncIterator[list[Recorded]]: ...


@dataclass(slots=True)
class Present:
    """The folded state, and by person and name the rows of `online_features`."""

    decoder: Decoder
    state: State = field(default_factory=State)
    online: dict[str, dict[str, Row]] = field(default_factory=lambda: defaultdict(dict))

    @classmethod
    async def of(cls, bus: Bus, decoder: Decoder, subjects: Sequence[str] = ()) -> "Present":
        """Fold what the stream holds on some subjects, or all of it."""
        present = cls(decoder)
        last = (await bus.info()).last_seq
        async for records in bus.read(0, upto=last, subjects=subjects):
            for record in records:
                present.fold(record)
        present.state.seq = last
        return present

    def fold(self, record: Recorded) -> None:
        """Fold one message on top."""
        step, _ = advance(self.state, self.decoder.decode(record))
        for change in fold_signals(self.state.signals, step):
            if isinstance(change, Put) and change.table is ONLINE_FEATURES:
                row = dict(zip(ONLINE_FEATURES.names, change.row, strict=True))
                self.online[row["user_id"]][row["name"]] = row
