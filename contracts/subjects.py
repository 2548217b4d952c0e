"""Subjects: `tips.feedback.<action>.<user>` and its kin, and the encoding that makes any id one token."""

import base64
import binascii
import re
from collections.abc import Mapping
from functools import cache

from contracts.errors import TipstreamError

STREAM = "TIPS"
PREFIX = "tips"
ALL = f"{PREFIX}.>"
MAX_ID_CHARS = 512

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_PLACE = re.compile(r"\{(\w+)\}")


class BadId(TipstreamError):
    """An id is empty, too long, or holds characters that are not valid Unicode text."""


class BadSubject(TipstreamError):
    """A subject is not one of Tipstream's, or one of its ids is not encoded as `encode_id` does."""


def encode_id(identifier: str) -> str:
    """One subject token for any id: itself when plain, else `~` and unpadded base64url of its UTF-8.

    Raises BadId when the id is empty, longer than 512 characters or not encodable (lone surrogates).
    """
    if _PLAIN.match(identifier):
        return identifier
    if not identifier:
        raise BadId("an id must not be empty")
    if len(identifier) > MAX_ID_CHARS:
        raise BadId(f"an id may have {MAX_ID_CHARS} characters, this one has {len(identifier)}")
    try:
        raw = identifier.encode()
    except UnicodeEncodeError:
        raise BadId("an id must be valid Unicode text (it holds a lone surrogate)") from None
    return "~" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode_id(token: str) -> str:
    """The id behind a token; BadSubject when the token is not what `encode_id` would have written."""
    if _PLAIN.match(token):
        return token
    if not token.startswith("~"):
        raise BadSubject(f"the id token {token[:80]!r} must be encoded: '~' + unpadded base64url of its UTF-8")
    body = token[1:]
    try:
        identifier = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True).decode()
        canonical = encode_id(identifier)
    except (binascii.Error, UnicodeDecodeError, BadId) as error:
        raise BadSubject(f"the id token {token[:80]!r} does not decode: {error}") from None
    if canonical != token:
        raise BadSubject(f"the id token {token[:80]!r} is not the canonical encoding {canonical[:80]!r}")
    return identifier


@cache
def places(pattern: str) -> tuple[str, ...]:
    """The names of the ids in a pattern, in order."""
    return tuple(_PLACE.findall(pattern))


def build(pattern: str, values: Mapping[str, str]) -> str:
    """The subject of a pattern such as `tips.feedback.{action}.{user_id}`, each id encoded."""
    return ".".join(token if name is None else encode_id(values[name]) for token, name in _tokens(pattern))


@cache
def _tokens(pattern: str) -> tuple[tuple[str, str | None], ...]:
    """Each token of a pattern with the name of the id that stands there, None where it stands for itself."""
    return tuple((token, token[1:-1] if token.startswith("{") else None) for token in pattern.split("."))


def parse(pattern: str, subject: str) -> dict[str, str] | None:
    """The ids in a subject that has the shape of `pattern`, None when it has another; BadSubject as `decode_id`."""
    parts, tokens = _tokens(pattern), subject.split(".")
    if len(tokens) != len(parts):
        return None
    ids = {}
    for (part, name), token in zip(parts, tokens, strict=True):
        if name is not None:
            ids[name] = token
        elif part != token:
            return None
    return {name: decode_id(token) for name, token in ids.items()}


def check_pattern(pattern: str) -> None:
    """BadSubject for what NATS takes as no filter: it would refuse it as if the trouble were its own and passing."""
    tokens = pattern.split(".")
    if not pattern.isprintable() or " " in pattern or "" in tokens or ">" in tokens[:-1]:
        raise BadSubject(f"{pattern!r:.200} is no subject pattern; write one such as tips.feedback.*.ann or tips.>")


def matches(pattern: str, subject: str) -> bool:
    """Whether a NATS subject filter (`*` one token, `>` the rest, at least one) takes a subject."""
    want, have = pattern.split("."), subject.split(".")
    if want[-1] == ">":
        want = want[:-1]
        have, rest = have[: len(want)], have[len(want) :]
        if not rest:
            return False
    return len(want) == len(have) and all(a in ("*", b) for a, b in zip(want, have, strict=True))


def person_filters(user_id: str) -> list[str]:
    """The subject filters that together hold every event whose subject names one person."""
    user = encode_id(user_id)
    return [
        f"{PREFIX}.feedback.*.{user}",
        f"{PREFIX}.signal.*.{user}",
        f"{PREFIX}.scored.{user}",
        f"{PREFIX}.shadow.*.{user}",
        # Not `admin.*.*`: a policy or a query may have the person's id for its name.
        f"{PREFIX}.admin.bandit.reset.{user}",
        f"{PREFIX}.admin.user.erasure_requested.{user}",
    ]


def learning_filters(user_id: str) -> list[str]:
    """The subject filters that together hold what one person's sums are learned from."""
    user = encode_id(user_id)
    return [f"{PREFIX}.feedback.*.{user}", f"{PREFIX}.scored.{user}", f"{PREFIX}.admin.bandit.reset.{user}"]
