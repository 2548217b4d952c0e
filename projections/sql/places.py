"""Finds the place in a person's statement that one of DuckDB's messages is about."""

import re
import unicodedata

LINES_BEFORE = 1
"""What runs has one line of our own before the statement (`guard.bracketed`)."""
_EXCERPT = re.compile(r"\n\nLINE (\d+): (.*)\n( *)\^\s*\Z")


def placed(message: str, sql: str) -> tuple[str, int | None]:
    """The message with the line counted as its reader does, and the place in `sql` in characters from 0."""
    found = _EXCERPT.search(message)
    if found is None:
        return message, None
    number, excerpt, indent = int(found[1]) - LINES_BEFORE, found[2], found[3]
    lines = sql.split("\n")
    if not 1 <= number <= len(lines):
        return message[: found.start()], None
    label = f"LINE {number}: "
    caret = len(indent) - len(f"LINE {found[1]}: ")
    told = f"{message[: found.start()]}\n\n{label}{excerpt}\n{' ' * (len(label) + caret)}^"
    # Of a long line only a part is shown, between dots.
    skipped = 3 if excerpt.startswith("...") and not lines[number - 1].startswith("...") else 0
    shown = excerpt[skipped:].removesuffix("...") if skipped or len(excerpt) > len(lines[number - 1]) else excerpt
    start = lines[number - 1].find(shown.removesuffix("..."))
    if start < 0:
        return told, None
    column = start + _characters(excerpt, caret) - skipped
    return told, sum(len(line) + 1 for line in lines[: number - 1]) + column


def _characters(text: str, width: int) -> int:
    """How many characters of `text` stand before a column, wide ones being two columns wide."""
    seen = 0
    for index, character in enumerate(text):
        if seen >= width:
            return index
        seen += 2 if unicodedata.east_asian_width(character) in "WF" else 0 if unicodedata.combining(character) else 1
    return len(text)
