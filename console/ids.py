"""Ids of people as they are shown: two that differ never look alike, and none turns what stands beside it around."""

import unicodedata

# Controls, invisible and bidirectional formatting, line breaks: what has no look of its own.
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
FROM_RIGHT = frozenset({"R", "AL", "AN"})


def shown_id(user_id: str) -> str:
    """The id with hidden characters as escapes such as `\\u202e`; one that is read from the right is isolated."""
    text = "".join(_visible(character) for character in user_id)
    if FROM_RIGHT.isdisjoint(map(unicodedata.bidirectional, text)):
        return text
    return f"\u2068{text}\u2069"


def _visible(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if unicodedata.category(character) not in HIDDEN:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
