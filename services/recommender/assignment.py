"""Which live policy decides for a person: weighted rendezvous hashing, so people rarely move when policies change."""

import hashlib
import math
from collections.abc import Mapping

SALT = "tipstream.policies.v1"
"""Mixed into every hash, so that this split is independent of any other split of the same people."""

FALLBACK = "random"
"""What decides while no policy is live."""


def assign(user_id: str, weights: Mapping[str, float], salt: str = SALT) -> str:
    """One of the policies for this person, always the same; each gets its weight's share of all people.

    The policy with the smallest -ln(u)/w wins, u uniform in (0, 1) from SHA-256 of salt, policy and person
    (Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005). `FALLBACK` when none weighs above 0.
    """
    live = [(policy, weight) for policy, weight in weights.items() if weight > 0]
    if not live:
        return FALLBACK
    return min((-math.log(_uniform(salt, policy, user_id)) / weight, policy) for policy, weight in live)[1]


def _uniform(*parts: str) -> float:
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return (int.from_bytes(digest[:6], "big") + 0.5) / 2**48
