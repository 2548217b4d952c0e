"""A log of two days whose rewards, missing features and stale tokens can be worked out by hand."""

from tests.folds.log import Log

FEATURES = {f"f{number}": 0.0 for number in range(16)}


def two_days(log: Log) -> None:
    """Day 1: linucb 3 decisions (helpful + done, dismissed, none), greedy 1 (not helpful, then helpful, snoozed).
    Day 2: linucb 1 decision without a reaction, an external one that was liked."""
    log.scored(decision_id="a", features=FEATURES, missing=["f1", "f2"], explored=True, latency_us=100)
    log.scored(decision_id="b", features=FEATURES, stale_sources=["sleep"], latency_us=300)
    log.scored("bob", "c", features=FEATURES, latency_us=200)
    log.scored("bob", "g", features=FEATURES, policy="greedy")
    log.feedback("helpful", decision_id="a")
    log.feedback("done", decision_id="a")
    log.feedback("dismissed", decision_id="b")
    log.feedback("not_helpful", "bob", "g")
    log.feedback("helpful", "bob", "g")
    log.feedback("snoozed", "bob", "g")
    log.wait(days=1, hours=1)
    log.scored(decision_id="e", features=FEATURES, missing=["f1"], latency_us=400)
    log.scored("eve", "x", policy="obd", external=True, missing=["ignored"])
    log.feedback("helpful", "eve", "x")
