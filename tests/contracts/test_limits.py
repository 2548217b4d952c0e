"""What an accepted event may hold is what every store can hold: a number or a depth beyond it is a dead letter."""

from typing import Any

import orjson
import pytest

from contracts import reasons
from contracts.codec import Decoder
from contracts.envelope import Entry, Malformed, Recorded
from contracts.signing import NO_TRUST
from contracts.times import parse_time

NOW_US = parse_time("2026-03-01T08:00:00Z")
SCORED: dict[str, Any] = {
    "decision_id": "d",
    "policy": "linucb",
    "feature_set": "wellbeing.v1",
    "context": {},
    "candidates": ["walk"],
    "tip_id": "walk",
    "propensity": 1.0,
    "occurred_at": "2026-03-01T08:00:00Z",
    "external": True,
}


def read(body: dict[str, Any]) -> Entry | Malformed:
    recorded = Recorded(7, NOW_US * 1000, "tips.scored.ann", {}, orjson.dumps(SCORED | body))
    return Decoder("2026-01-01T00:00:00Z", NO_TRUST).decode(recorded)


def nested(depth: int) -> dict[str, Any]:
    context: dict[str, Any] = {}
    for _ in range(depth - 1):
        context = {"a": context}
    return context


@pytest.mark.parametrize("field", ["policy_version", "state_version", "catalog_seq", "model_seq", "latency_us"])
def test_a_number_of_more_than_63_bits_is_refused(field: str) -> None:
    assert isinstance(read({field: 2**63 - 1}), Entry)
    item = read({field: 2**63})
    assert isinstance(item, Malformed)
    assert item.reason == reasons.INVALID_BODY
    assert item.detail.startswith(f"{field}:")


def test_a_context_nested_too_deeply_is_refused() -> None:
    assert isinstance(read({"context": nested(32)}), Entry)
    item = read({"context": nested(33)})
    assert isinstance(item, Malformed)
    assert item.reason == reasons.INVALID_BODY
    assert item.detail.startswith("context:")
