"""Who is in an experiment and in which arm: a pure function of the salt and the person, so anybody can compute it anew.

`experiment_people` (projections/sinks/duckdb_views.py) says the same in SQL; a test holds the two against each other.
"""

import hashlib
from collections.abc import Sequence
from itertools import accumulate

DOMAIN = "tipstream.experiments.v1"
"""Mixed into every hash, so that arms are independent of how people are split among live policies."""

POINTS = 2**48


def points(salt: str, user_id: str) -> tuple[float, float]:
    """Two independent uniforms in (0, 1): the first six bytes of SHA-256(domain, salt, person), and the next six."""
    digest = hashlib.sha256("\x1f".join((DOMAIN, salt, user_id)).encode()).digest()
    holdback, arm = (int.from_bytes(digest[place : place + 6], "big") for place in (0, 6))
    return (holdback + 0.5) / POINTS, (arm + 0.5) / POINTS


def arm_of(user_id: str, salt: str, weights: Sequence[float], holdback: float = 0.0) -> int | None:
    """The place of a person's arm, None for those held back, always the same; `weights` are above 0, in any unit.

    The first uniform decides who is held back, so that a share of all people is left out of every arm alike; the second
    falls into one of the weights laid end to end.
    """
    first, second = points(salt, user_id)
    if first < holdback:
        return None
    ends = list(accumulate(weights))
    return sum(end <= second * ends[-1] for end in ends)


def shares(weights: Sequence[float], holdback: float = 0.0) -> list[float]:
    """The share of all people that each arm gets, and last the share held back."""
    total = list(accumulate(weights))[-1]
    return [(1 - holdback) * weight / total for weight in weights] + [holdback]
