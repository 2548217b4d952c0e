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


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-20t10:00:00z", "2026-11-20T10:00:00.000000Z"),
        ("2026-11-20T10:00:00.1234567891+05:30", "2026-11-20T04:30:00.123456Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"),
        ("2016-12-31T18:59:60.5-05:00", "2017-01-01T00:00:00.500000Z"),
        ("2026-11-20T10:00:00-00:00", "2026-11-20T10:00:00.000000Z"),
    ],
)
def test_every_form_of_rfc_3339_is_read(text: str, same: str) -> None:
    assert format_time(parse_time(text)) == same


@pytest.mark.parametrize(
    "text",
    [
        "20261127T100000Z", "2026-11-27T10:00:00,5Z", "2026-11-27T10:00Z", "2026-11-27T10Z", "2026-W48-5T10:00:00Z",
        "2026-11-27T10:00:00+0530", "2026-11-27T10:00:00+05:30:15", "2026-11-27T10:00:00", "2026-11-27T10:00:00.Z",
        "2026-02-30T10:00:00Z", "2026-11-27T24:00:00Z", "2026-11-27T10:00:60Z", "2026-11-27T10:00:00Z\n", "",
        "\u0662026-11-27T10:00:00Z", "2026-11-27T10:00:00+24:00", " 2026-11-27T10:00:00Z",
    ],
)  # fmt: skip
def test_what_rfc_3339_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|UTC offset"):
        parse_time(text)
