"""Which policy decides for a person: their arm of a running experiment, else one of the live policies by weighted
rendezvous hashing, so that people rarely move when policies change."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ml.experiments.assignment import arm_of
from ml.policies.registry import POLICIES

SALT = "tipstream.policies.v1"
"""Mixed into every hash, so that this split is independent of any other split of the same people."""

FALLBACK = "random"
"""What decides while no policy is live."""

ALLOWED = ("live", "shadow")
"""Standings of a policy that an experiment may let decide; one that is disabled meanwhile touches nobody any more."""

Row = Mapping[str, Any]


def policy_for(user_id: str, policies: Sequence[Row], running: Sequence[Row]) -> str:
    """Who decides for this person, by rows of `policies` and of the experiments that run, the earliest started first.

    Who is held back, or whose arm is disabled or unknown to this release, gets a live policy as without an experiment.
    """
    known = {str(row["policy"]): row for row in policies if row["policy"] in POLICIES}
    for experiment in running[:1]:
        arms = orjson.loads(experiment["arms"])
        place = arm_of(user_id, experiment["salt"], [arm["weight"] for arm in arms], experiment["holdback"])
        chosen = known.get(arms[place]["policy"]) if place is not None else None
        if chosen is not None and chosen["standing"] in ALLOWED:
            return str(chosen["policy"])
    return assign(user_id, {name: float(row["weight"]) for name, row in known.items() if row["standing"] == "live"})


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
