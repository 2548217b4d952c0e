"""What people's SQL may use, what is written down of each statement, and how one can go wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from contracts.errors import TipstreamError

Door = Literal["console", "quack"]
Form = Literal["csv", "parquet"]
Outcome = Literal["ok", "failed", "refused", "timed_out", "ended"]
TokenCheck = Callable[[str], str | None]
"""A token -> the name of the person it was given to, or None. Called from any thread."""


class SqlError(TipstreamError):
    """A statement gave no answer; the message says why and what would.

    `position` is the place in the statement that it is about, in characters from 0, None where none is known.
    """

    outcome: Outcome = "failed"

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class SqlRefused(SqlError):
    """The statement may not run here: it is no single SELECT, or it reaches for more than the tables."""

    outcome = "refused"


class SqlFailed(SqlError):
    """DuckDB could not answer; the message is DuckDB's own (a wrong name, a wrong type, too little memory)."""


class SqlTimedOut(SqlError):
    """The statement was stopped at its time limit; narrow it, or aggregate before joining."""

    outcome = "timed_out"


class SqlDoorError(TipstreamError):
    """The door could not be opened; the message says what to mend (a taken port, a missing wheel)."""


@dataclass(frozen=True, slots=True)
class SqlLimits:
    """How much a statement may take. Sizes are MiB, times seconds.

    `seconds` and `rows` hold for one statement, `concurrent` counts those that run at once by each door, `answer` is
    one answer as JSON. `quack_rows` bounds an answer sent over Quack, where an attached table is fetched whole before
    the client filters it, so that a cut at `rows` would make every count wrong; `held` is what all such answers take
    until they are fetched. `memory` and `spill` are DuckDB's own caps; some functions allocate past them, so
    `resident` caps the process. `sessions` are those of one person.
    """

    seconds: float = 5.0
    rows: int = 10_000
    answer: int = 32
    quack_rows: int = 5_000_000
    held: int = 256
    held_seconds: float = 120.0
    memory: int = 1024
    spill: int = 1024
    resident: int = 3072
    threads: int = 2
    concurrent: int = 4
    sessions: int = 16
    session_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class StatementRecord:
    """One statement's end, for the log. `rows` is what it answered; `ended` means the process went with it.

    A client's own catalog look-ups are statements too, and an unknown token is one of actor "unknown".
    """

    actor: str
    sql: str
    door: Door
    started_us: int
    duration_us: int
    rows: int | None
    outcome: Outcome
    error: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """An answer that JSON can hold: `rows` are lists in the order of `columns`, `types` are DuckDB's names.

    `cut` says why the rows are not all there are, None when they are.
    """

    columns: list[str]
    types: list[str]
    rows: list[list[object]]
    cut: str | None
    duration_us: int


@dataclass(frozen=True, slots=True)
class File:
    """An answer as a file of `rows` rows; `cut` as in `Result`."""

    content: bytes
    rows: int
    cut: str | None
    duration_us: int
