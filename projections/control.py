"""What a projection's owner may be asked over core NATS on `tipstream.ctl.<projection>`: JSON in, JSON out."""

from typing import Any, Literal

import msgspec
import orjson

from contracts.errors import TipstreamError
from projections.pieces import Asked, fetch

ASK_S = 60.0


class BadQuestion(TipstreamError):
    """A control request is no JSON object of a known `op` with its fields; the message says what is wrong."""


class Status(msgspec.Struct, tag_field="op", tag="status"):
    """How far the projection is. Who waits until the event at `wanted` is dealt with says so: it is put off no more."""

    wanted: int = 0


class Digest(msgspec.Struct, tag_field="op", tag="digest"):
    """The digest of each table with its checkpoint; of one person's rows when `user_id` is given."""

    user_id: str | None = None


class Switch(msgspec.Struct, tag_field="op", tag="switch"):
    """Make another version the live one, once it has caught up; `alone` deletes all others, the way back too."""

    version: int
    alone: bool = False


class Forget(msgspec.Struct, tag_field="op", tag="forget"):
    """Let go of what is kept of a person beside the projection, once the event at `seq`, their erasure, is folded."""

    user_id: str
    seq: int


class View(msgspec.Struct, tag_field="op", tag="view"):
    """The first `limit` rows of a named DuckDB view."""

    name: str
    limit: int = 1000


class Report(msgspec.Struct, tag_field="op", tag="report"):
    """A named report with its parameters: its first `limit` rows, or all of them."""

    name: str
    parameters: dict[str, Any] = {}
    limit: int | None = None


class Sql(msgspec.Struct, tag_field="op", tag="sql"):
    """One SELECT in a person's name; `rows` and `seconds` may only lower the limits. `form` is what is answered."""

    sql: str
    actor: str
    rows: int | None = None
    seconds: float | None = None
    form: Literal["rows", "csv", "parquet"] = "rows"


class Schema(msgspec.Struct, tag_field="op", tag="schema"):
    """The tables and views of a DuckDB projection with their columns."""


class Piece(msgspec.Struct, tag_field="op", tag="piece"):
    """The next part of an answer that is larger than one message."""

    kept: str
    number: int


Question = Status | Digest | Switch | Forget | View | Report | Sql | Schema | Piece
_questions = msgspec.json.Decoder(Question)


def subject_of(projection: str) -> str:
    """Where a projection's owner is asked."""
    return f"tipstream.ctl.{projection}"


def read_question(data: bytes) -> Question:
    """The question in a request. Raises BadQuestion."""
    try:
        question: Question = _questions.decode(data)
    except msgspec.MsgspecError as problem:
        raise BadQuestion(f"this is no control request: {problem}") from None
    return question


def write_answer(answer: dict[str, Any]) -> bytes:
    """An answer as JSON; naive times are UTC."""
    return orjson.dumps(answer, option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z)


async def ask(bus: Asked, projection: str, op: str, *, within: float = ASK_S, **fields: Any) -> dict[str, Any]:
    """A projection's owner asked over core NATS, in `within` seconds and as many for each piece of a large answer.

    Raises NoAnswer (it does not run), BusUnavailable, and RequestFailed with its own words.
    """
    return await fetch(bus, subject_of(projection), {"op": op, **fields}, within)
