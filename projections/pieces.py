"""Carries an answer that is larger than one NATS message: kept by the owner, fetched piece by piece by the asker."""

import secrets
import time
from typing import Any, Protocol

import orjson

from contracts.errors import TipstreamError

PIECE = 1_000_000
"""Bytes of one piece; NATS carries one mebibyte."""
MOST_KEPT = 256 << 20
KEPT_S = 60.0


class AnswerGone(TipstreamError):
    """A large answer is no longer kept: it was not fetched in time, or made room for others; ask again."""


class AnswerTooLarge(TipstreamError):
    """The answer is larger than all the room there is for answers; ask for fewer rows."""


class Asked(Protocol):
    """The bus, as far as owners are asked over it."""

    async def request(self, subject: str, data: bytes, timeout: float) -> bytes: ...


class Pieces:
    """The owner's side: large answers until they are fetched, for `KEPT_S` seconds at most."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, bytes]] = {}

    def cut(self, answer: bytes) -> bytes:
        """The answer itself if it fits one message, else where to fetch it. Raises AnswerTooLarge."""
        if len(answer) <= PIECE:
            return answer
        if len(answer) > MOST_KEPT:
            raise AnswerTooLarge(f"the answer has {len(answer)} bytes, {MOST_KEPT} are kept; ask for fewer rows")
        now = time.monotonic()
        self._kept = {key: kept for key, kept in self._kept.items() if now < kept[0] + KEPT_S}
        while sum(len(kept) for _, kept in self._kept.values()) + len(answer) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        key = secrets.token_hex(16)
        self._kept[key] = (now, answer)
        return orjson.dumps({"kept": key, "pieces": -(-len(answer) // PIECE)})

    def piece(self, key: str, number: int) -> bytes:
        """One piece, counted from 0; with its last an answer is let go. Raises AnswerGone."""
        if key not in self._kept:
            raise AnswerGone("the answer is no longer kept; ask again")
        _, answer = self._kept[key]
        if (number + 1) * PIECE >= len(answer):
            del self._kept[key]
        return answer[number * PIECE : (number + 1) * PIECE]


async def fetch(bus: Asked, subject: str, question: dict[str, Any], within: float) -> dict[str, Any]:
    """The whole answer to a question; each piece may take `within` seconds.

    Raises NoAnswer, BusUnavailable, and RequestFailed with the owner's words.
    """
    data = await bus.request(subject, orjson.dumps(question), within)
    answer: dict[str, Any] = orjson.loads(data)
    if "kept" not in answer:
        return answer
    pieces = []
    for number in range(answer["pieces"]):
        piece = {"op": "piece", "kept": answer["kept"], "number": number}
        pieces.append(await bus.request(subject, orjson.dumps(piece), within))
    whole: dict[str, Any] = orjson.loads(b"".join(pieces))
    return whole
