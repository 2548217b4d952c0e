"""How fast events were folded."""

from projections.rate import Rate


def test_the_rate_is_of_the_last_seconds() -> None:
    now = 100.0
    rate = Rate(lambda: now)
    now = 102.0
    rate.count(10)
    assert rate.per_second() == 5
    now = 106.0
    rate.count(15)
    assert rate.per_second() == 5
    now = 112.0
    assert rate.per_second() == 0
