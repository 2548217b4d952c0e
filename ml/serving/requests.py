"""What a caller of the scorer may send, read strictly: whatever is wrong becomes a problem that names the field."""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request

from contracts.events.base import MAX_INTEGER
from contracts.events.person import MAX_CANDIDATES, InlineCandidate
from contracts.subjects import MAX_ID_CHARS
from services.paths import id_of
from services.problems import Problem

MAX_BODY_BYTES = 256 * 1024

IdText = Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARS)]
Sequence = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]


class DescribedTip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A candidate whose features the caller supplies instead of the catalog."""

    tip_id: IdText
    features: dict[str, float | str]


Candidate = IdText | DescribedTip


class ScoreRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /score`; `min_seq` is the sequence that must have been folded before it is answered."""

    user_id: IdText
    context: dict[str, Any]
    candidates: Annotated[list[Candidate], Meta(min_length=1, max_length=MAX_CANDIDATES)]
    policy: str | None = None
    decision_id: IdText | None = None
    min_seq: Sequence | None = None

    def tips(self) -> list[str | InlineCandidate]:
        """The candidates as a decision logs them."""
        return [
            one if isinstance(one, str) else InlineCandidate(tip_id=one.tip_id, features=one.features)
            for one in self.candidates
        ]


_decoder = msgspec.json.Decoder(ScoreRequest)
_FAULT = re.compile(r"(?P<said>.*?)(?: - at `\$(?P<path>.*)`)?\Z", re.DOTALL)
_ANY_CANDIDATE = "candidates[...]"
_NAMED = re.compile(r"(missing required|contains unknown) field `(?P<field>.*)`", re.DOTALL)


async def read_body(request: Request, limit: int = MAX_BODY_BYTES) -> bytes:
    """The request's body. Raises Problem 413 above `limit` bytes, before it is read when its length is announced."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


def read_score_request(body: bytes) -> ScoreRequest:
    """The request in a body. Raises Problem: 400 when it is not JSON (NaN is not), 422 when it is not of this form."""
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Problem.invalid([_fault(str(error), body)]) from None
    except RecursionError:
        said = "it is nested too deeply"
    except ValueError as error:
        said = str(error)
    raise Problem(400, "The body is not JSON", f"the body is not JSON: {said}", field="body")


def path_id(request: Request, prefix: bytes) -> str:
    """The id at the end of a path, as it was percent-encoded. Raises Problem."""
    raw: bytes = request.scope["raw_path"]
    return id_of(raw[len(prefix) :])


def query_seq(request: Request, name: str = "min_seq") -> int | None:
    """A sequence in the query. Raises Problem."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Problem.invalid([(name, "must be a whole number, 0 or more")])
    return int(text)


def _too_large(limit: int) -> Problem:
    return Problem(413, "The body is too large", f"the body may have {limit} bytes", field="body")


def _fault(message: str, body: bytes) -> tuple[str, str]:
    """msgspec's message as (field, what is wrong): its path ends before a missing or unknown field's own name."""
    match = _FAULT.match(message)
    assert match is not None
    said, path = match["said"], (match["path"] or "").removeprefix(".")
    if path.startswith(_ANY_CANDIDATE):
        path = f"candidates[{_first_wrong(body)}]{path.removeprefix(_ANY_CANDIDATE)}"
    path = path.replace("[...]", "")
    named = _NAMED.search(said)
    if named is not None:
        path = f"{path}.{named['field']}" if path else named["field"]
        said = "is missing" if named[1].startswith("missing") else "is unknown"
    return path or "body", said


def _first_wrong(body: bytes) -> int:
    """The place of the candidate at fault, which msgspec does not say."""
    for place, candidate in enumerate(msgspec.json.decode(body)["candidates"]):
        try:
            msgspec.convert(candidate, Candidate)
        except msgspec.ValidationError:
            return place
    raise AssertionError("one of the candidates was refused before")
