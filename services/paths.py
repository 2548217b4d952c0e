"""Ids in paths: any percent-encoded id matches `{name:id}`, and is read from the path as it was sent.

A decoded slash or a broken byte must not name somebody else, so the framework's decoded value is never used.
"""

from urllib.parse import quote, unquote_to_bytes

from starlette.convertors import Convertor, register_url_convertor

from contracts.subjects import MAX_ID_CHARS
from services.problems import Problem


class IdConvertor(Convertor[str]):
    """Like Starlette's `path`, but an id may hold line breaks too."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("id", IdConvertor())

USER_ID = "{user_id:id}"
"""A person in a route's path."""

DECISION_ID = "{decision_id:id}"
"""A decision in a route's path."""

THE_REST = "{path:id}"
"""All that follows in a route's path."""


def id_of(encoded: bytes, field: str = "user_id") -> str:
    """The id behind a percent-encoded piece of a raw path. Raises Problem."""
    try:
        identifier = unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        raise Problem.invalid([(field, "is not percent-encoded UTF-8")]) from None
    if not 1 <= len(identifier) <= MAX_ID_CHARS:
        raise Problem.invalid([(field, f"must have 1 to {MAX_ID_CHARS} characters, it has {len(identifier)}")])
    return identifier


def in_path(identifier: str) -> str:
    """An id as a piece of a path; dots too, since clients would take `..` for the folder above."""
    return quote(identifier, safe="").replace(".", "%2E")
