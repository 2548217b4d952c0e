"""Passwords: hashed with Argon2id (RFC 9106) by argon2-cffi, and checked in a time that does not tell who exists."""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 10
LONGEST = 1024

# OWASP's minimum for Argon2id: about 20 ms of one core, also where ten people log in at once.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hashed(password: str) -> str:
    """An Argon2id hash with its salt and parameters, in PHC string format."""
    return _hasher.hash(password)


def matches(password: str, encoded: str | None) -> bool:
    """Whether a password is the hashed one; without a hash as much work is done and the answer is no."""
    try:
        return _hasher.verify(encoded or _nobody(), password[:LONGEST]) and encoded is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobody() -> str:
    return _hasher.hash("nobody has this password")
