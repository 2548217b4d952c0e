"""A stream built by hand: events are published on a clock that moves when told, decoded and folded into rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from contracts.codec import Decoder, as_recorded, encode, encode_signed
from contracts.envelope import Message, Recorded
from contracts.events.admin import BanditReset, UserErasureRequested
from contracts.events.base import Event, SignedEvent
from contracts.events.person import FeedbackReceived, SignalObserved, TipScored
from contracts.feature_sets import CURRENT
from contracts.rewards import Action
from contracts.signing import Signer, Trust
from contracts.times import DAY_US, HOUR_US, SECOND_US, parse_time
from projections.folds.attribution import Step
from projections.folds.changes import Change, Drop, Erase, Key, Put, Row, TableBatch, key_of, names, patched
from projections.folds.digest import hexadecimal, of_person, rows_digest
from projections.folds.learning import Person
from projections.folds.projection import State, fold
from projections.folds.tables import BY_NAME, TABLES, Table

START_US = parse_time("2026-03-01T08:00:00Z")
SIGNER = Signer(b"k" * 32)
DECODER = Decoder("2026-01-01T00:00:00Z", Trust({SIGNER.key_id: SIGNER.public_key}))
X = (1.0, 0.5, -0.25, *(0.125,) * 13)
IDENTITY = np.eye(len(X)).tolist()
"""The least that a model's prior may say: as if nothing were known before."""

Tables = dict[str, dict[Key, Row]]


class Log:
    """A stream, its fold and its tables, always in step; every method returns the fold's step unless it says more."""

    def __init__(self, now_us: int = START_US) -> None:
        self.now_us = now_us
        self.records: list[Recorded] = []
        self.state = State()
        self.tables: Tables = empty_tables()

    @property
    def seq(self) -> int:
        """The last sequence of the stream."""
        return self.records[-1].seq if self.records else 0

    def wait(self, *, days: float = 0, hours: float = 0, seconds: float = 0, us: int = 0) -> None:
        """Move the stream's clock on."""
        self.now_us += int(days * DAY_US + hours * HOUR_US + seconds * SECOND_US) + us

    def publish(self, message: Message) -> Step:
        """Append any message, fold it and apply its changes."""
        recorded = as_recorded(message, self.seq + 1, self.now_us * 1000)
        self.records.append(recorded)
        step, changes = fold(self.state, DECODER.decode(recorded))
        apply(self.tables, changes)
        return step

    def again(self, seq: int) -> Step:
        """Append the message at `seq` once more, byte for byte."""
        old = self.records[seq - 1]
        return self.publish(Message(old.subject, dict(old.headers), old.data))

    def event(self, event: Event, *, event_id: str | None = None) -> Step:
        """Append an unsigned event; each has an id of its own unless one is given."""
        return self.publish(encode(event, event_id=event_id or f"e{self.seq + 1}", source="/test"))

    def admin(self, event: SignedEvent, *, actor: str = "ada", event_id: str | None = None) -> Step:
        """Append a signed event."""
        said = {"event_id": event_id or f"e{self.seq + 1}", "source": "/test", "actor": actor}
        return self.publish(encode_signed(event, **said, time_us=self.now_us, signer=SIGNER))

    def scored(
        self,
        user: str = "ann",
        decision_id: str | None = None,
        *,
        tip: str = "walk",
        candidates: Sequence[str] = ("walk", "rest"),
        x: Sequence[float] = X,
        external: bool = False,
        event_id: str | None = None,
        **fields: Any,
    ) -> Step:
        """Append a decision; its event id is its decision id unless one is given."""
        decision_id = decision_id or f"decision-{self.seq + 1}"
        ours: dict[str, Any] = {}
        if not external:
            parallel = [0.0] * len(candidates)
            ours = {"mean": parallel, "bonus": parallel, "score": parallel, "x": list(x), "x_digest": "0" * 64}
        event = TipScored(
            decision_id=decision_id,
            user_id=user,
            tip_id=tip,
            **{
                "policy": "linucb",
                "feature_set": CURRENT,
                "context": {},
                "candidates": list(candidates),
                "propensity": 0.5,
                "model_seq": self.seq,
                "occurred_at": self.now_us,
                "external": external,
                **ours,
                **fields,
            },
        )
        return self.event(event, event_id=event_id or decision_id)

    def feedback(
        self,
        action: Action = "helpful",
        user: str = "ann",
        decision_id: str | None = None,
        *,
        tip: str | None = None,
        occurred_us: int | None = None,
        event_id: str | None = None,
    ) -> Step:
        """Append what a person did."""
        event = FeedbackReceived(
            user_id=user, action=action, decision_id=decision_id, tip_id=tip, occurred_at=occurred_us
        )
        return self.event(event, event_id=event_id)

    def bare(self, subject: str, data: bytes = b"{}", headers: Mapping[str, str] | None = None) -> Step:
        """Append what a producer without our library would."""
        return self.publish(Message(subject, dict(headers or {}), data))

    def signal(
        self,
        values: Mapping[str, float],
        user: str = "ann",
        source: str = "phone",
        *,
        observed_us: int | None = None,
        token_expires_us: int | None = None,
        event_id: str | None = None,
    ) -> Step:
        """Append what a source observed."""
        event = SignalObserved(
            user_id=user,
            source=source,
            values=dict(values),
            observed_at=observed_us,
            token_expires_at=token_expires_us,
        )
        return self.event(event, event_id=event_id)

    def reset(self, user: str = "ann") -> Step:
        """Append the reset of a person."""
        return self.admin(BanditReset(user_id=user))

    def erase(self, user: str = "ann", erasure_id: str | None = None) -> Step:
        """Append the request to erase a person."""
        return self.admin(UserErasureRequested(user_id=user), event_id=erasure_id)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """A table's rows by column name, in order of their keys."""
        names = BY_NAME[table].names
        return [dict(zip(names, row, strict=True)) for _, row in sorted(self.tables[table].items())]

    def row(self, table: str, *key: Any) -> dict[str, Any]:
        """The one row of a key."""
        return dict(zip(BY_NAME[table].names, self.tables[table][key], strict=True))

    def column(self, table: str, name: str) -> list[Any]:
        """One column, in order of the rows' keys."""
        return [row[name] for row in self.rows(table)]

    def dead(self) -> list[tuple[int, str]]:
        """The dead letters: sequence and reason."""
        return [(row["seq"], row["reason"]) for row in self.rows("dead_letters")]

    def learned(self, user: str = "ann") -> tuple[int, int, float]:
        """A person's state version, pulls and sum of rewards; of the one feature set."""
        person = self.state.learning.people.get(user, Person())
        sums = person.sums.get(CURRENT)
        return (person.version, sums.pulls, sums.reward) if sums else (person.version, 0, 0.0)


def empty_tables() -> Tables:
    """Every table without rows."""
    return {table.name: {} for table in TABLES}


def apply(tables: Tables, changes: Iterable[Change]) -> None:
    """Do what changes say, one by one; a row must be made of its columns' kinds."""
    for change in changes:
        rows = tables[change.table.name]
        if isinstance(change, Put):
            rows[key_of(change.table, change.row)] = well_typed(change.table, change.row)
        elif isinstance(change, Drop):
            rows.pop(change.key, None)
        elif isinstance(change, Erase):
            erase(change.table, rows, change.user_id)
        elif change.key in rows:
            rows[change.key] = well_typed(change.table, patched(change.table, rows[change.key], change.values))


def apply_batches(tables: Tables, batches: Iterable[TableBatch]) -> None:
    """Do what coalesced changes say, in the order a sink does: drops, puts, patches."""
    for batch in batches:
        rows = tables[batch.table.name]
        for user_id in batch.erased:
            erase(batch.table, rows, user_id)
        for key in batch.drops:
            rows.pop(key, None)
        rows.update(batch.puts)
        for key, values in batch.patches.items():
            if key in rows:
                rows[key] = patched(batch.table, rows[key], values)


def erase(table: Table, rows: dict[Key, Row], user_id: str) -> None:
    """Take out the rows that go with a person."""
    for key in [key for key, row in rows.items() if names(table, row, user_id)]:
        del rows[key]


def fold_all(records: Iterable[Recorded]) -> tuple[State, Tables]:
    """A stream folded from its first message."""
    state, tables = State(), empty_tables()
    for recorded in records:
        apply(tables, fold(state, DECODER.decode(recorded))[1])
    return state, tables


def renumbered(records: Iterable[Recorded]) -> list[Recorded]:
    """The same messages with sequences from 1."""
    return [replace(recorded, seq=seq) for seq, recorded in enumerate(records, 1)]


def digests(tables: Tables, user: str | None = None) -> dict[str, str]:
    """Each table's digest, of everybody or of one person."""
    found = {}
    for name, rows in tables.items():
        chosen = rows.values() if user is None else of_person(BY_NAME[name], rows.values(), user)
        found[name] = hexadecimal(rows_digest(chosen))
    return found


def state_bytes(state: State) -> bytes:
    """The whole state as bytes: equal states give equal bytes."""
    return msgspec.msgpack.encode(state, enc_hook=_array_bytes)


def _array_bytes(value: Any) -> Any:
    assert isinstance(value, np.ndarray)
    return value.tobytes()


def array_back(kind: Any, value: Any) -> Any:
    """The array behind the bytes of `state_bytes`: c is (16,), S is (16, 16)."""
    array = np.frombuffer(value).copy()
    return array.reshape(16, 16) if array.size == 256 else array


_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,), "json": (str,), "integer": (int,), "time": (int,), "float": (float,), "boolean": (bool,),
    "bytes": (bytes,), "floats": (list,), "texts": (list,),
}  # fmt: skip


def well_typed(table: Table, row: Row) -> Row:
    """The row, once each value has exactly its column's Python type (or is None)."""
    assert len(row) == len(table.columns), table.name
    for (name, kind), value in zip(table.columns, row, strict=True):
        assert value is None or type(value) in _TYPES[kind], f"{table.name}.{name} is a {type(value).__name__}"
        if kind in ("floats", "texts") and value is not None:
            item = float if kind == "floats" else str
            assert all(type(one) is item for one in value), f"{table.name}.{name}"
    return row
