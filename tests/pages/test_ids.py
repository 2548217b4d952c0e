"""Ids of people as they are shown."""

import pytest

from console.ids import shown_id


@pytest.mark.parametrize(
    ("user_id", "shown"),
    [
        ("ann", "ann"),
        ("🌱 zoë", "🌱 zoë"),
        ("abc\u202edef", "abc\\u202edef"),
        ("a\tb\u200b\U000e0041", "a\\u0009b\\u200b\\U000e0041"),
        ("abc\\u202edef", "abc\\\\u202edef"),
        ("דנה", "\u2068דנה\u2069"),
    ],
)
def test_an_id_looks_like_no_other(user_id: str, shown: str) -> None:
    assert shown_id(user_id) == shown
