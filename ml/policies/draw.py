"""The chance in a decision: numbers that follow from its id alone, so that anyone can draw them again."""

from hashlib import sha256
from struct import Struct

_FOUR_PIECES = Struct(">4Q")


class Draw:
    """The numbers of one decision: the 64-bit pieces of SHA-256 of its id, then of that hash's hash, and so on.

    A hash and not a NumPy Generator, because a Generator's numbers may change between NumPy versions (NEP 19)
    and a decision has to be drawn alike for as long as its log is kept.
    """

    __slots__ = ("_hash", "_pieces")

    def __init__(self, seed: bytes) -> None:
        self._hash = sha256(seed).digest()
        self._pieces = list(_FOUR_PIECES.unpack(self._hash)[::-1])

    def uniform(self) -> float:
        """The next number in [0, 1), a multiple of 2^-53."""
        return (self._piece() >> 11) * 2.0**-53

    def below(self, k: int) -> int:
        """The next whole number from 0 to k - 1."""
        return self._piece() * k >> 64

    def _piece(self) -> int:
        if not self._pieces:
            self._hash = sha256(self._hash).digest()
            self._pieces.extend(_FOUR_PIECES.unpack(self._hash)[::-1])
        piece: int = self._pieces.pop()
        return piece


def draw_of(decision_id: str) -> Draw:
    """The draw that belongs to a decision."""
    return Draw(decision_id.encode())
