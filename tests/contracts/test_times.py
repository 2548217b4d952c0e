"""Moments at the ends of what a timestamp can say."""

import pytest

from contracts.times import format_time, parse_time


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00"])
def test_a_moment_whose_utc_text_cannot_be_written_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 9999"):
        parse_time(text)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000000Z"])
def test_the_first_and_the_last_moment_come_back_as_they_were(text: str) -> None:
    assert format_time(parse_time(text)) == text
