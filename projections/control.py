"""What a projection's owner may be asked over core NATS on `tipstream.ctl.<projection>`: JSON in, JSON out."""

from typing import Any

import msgspec
import orjson

from contracts.errors import TipstreamError

MOST_ANSWERED = 1_000_000
"""Bytes of one answer; NATS carries one mebibyte."""


class BadQuestion(TipstreamError):
    """A control request is no JSON object of a known `op` with its fields; the message says what is wrong."""


class AnswerTooLarge(TipstreamError):
    """The answer does not fit into one NATS message; ask for fewer rows."""


class Status(msgspec.Struct, tag_field="op", tag="status"):
    """How far the projection is."""


class Digest(msgspec.Struct, tag_field="op", tag="digest"):
    """The digest of each table with its checkpoint; of one person's rows when `user_id` is given."""

    user_id: str | None = None


class Switch(msgspec.Struct, tag_field="op", tag="switch"):
    """Make another version the live one, once it has caught up."""

    version: int


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
    """One SELECT in a person's name."""

    sql: str
    actor: str


Question = Status | Digest | Switch | View | Report | Sql
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
    """An answer as JSON; naive times are UTC. Raises AnswerTooLarge."""
    data = orjson.dumps(answer, option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z)
    if len(data) > MOST_ANSWERED:
        raise AnswerTooLarge(f"the answer has {len(data)} bytes, {MOST_ANSWERED} fit; ask for fewer rows")
    return data
