"""Figures as people read them."""

from console.pages.rewards import latency


def test_a_latency_that_nobody_measured_is_not_told_as_zero() -> None:
    assert [latency(0.0), latency(1234.0)] == ["–", "1.23 ms"]
