"""What the scorer measures of itself, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The scorer's counters and gauges in a registry of their own; gauges are read when they are asked for."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._decisions = Counter(
            "tipstream_decisions", "decisions made", ["policy", "explored", "logged"], registry=self._registry
        )
        self._failures = Counter(
            "tipstream_policy_failures", "calls that a policy could not decide", ["policy"], registry=self._registry
        )
        self.by_policy: dict[str, dict[str, int]] = {}
        self._refusals = Counter(
            "tipstream_scorer_refusals", "calls answered with a problem", ["status"], registry=self._registry
        )
        self._scoring = Histogram(
            "tipstream_scoring_seconds",
            "from a call's arrival to its decision",
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._answering = Histogram(
            "tipstream_score_answer_seconds",
            "from a call's arrival to its answer, the stream's acknowledgement included",
            buckets=BUCKETS,
            registry=self._registry,
        )

    def gauge(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Show a number that is known elsewhere."""
        Gauge(f"tipstream_scorer_{name}", description, registry=self._registry).set_function(value)

    def decided(self, policy: str, *, explored: bool, logged: bool, scoring_s: float, answering_s: float) -> None:
        """Count a decision."""
        self._decisions.labels(policy, str(explored).lower(), str(logged).lower()).inc()
        self._of(policy)["decided"] += 1
        self._scoring.observe(scoring_s)
        self._answering.observe(answering_s)

    def failed(self, policy: str) -> None:
        """Count a call that a policy could not decide, though nothing was wrong with it."""
        self._failures.labels(policy).inc()
        self._of(policy)["failed"] += 1

    def _of(self, policy: str) -> dict[str, int]:
        return self.by_policy.setdefault(policy, {"decided": 0, "failed": 0})

    def refused(self, status: int) -> None:
        """Count an answer that was a problem."""
        self._refusals.labels(str(status)).inc()

    def exposition(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
