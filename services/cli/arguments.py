"""What was typed, as text."""

from os import fsencode
from pathlib import Path

from contracts.errors import TipstreamError


class BadArgument(TipstreamError):
    """An argument of the command line is no text, so it can be no id, subject or statement."""


def text_of(argument: str) -> str:
    """An argument read as UTF-8, whatever the locale made of it; what names a file may be any bytes, and stays."""
    if argument.isascii() or _exists(argument):
        return argument
    try:
        return fsencode(argument).decode()
    except UnicodeDecodeError:
        raise BadArgument(f"{argument!r:.80} is no UTF-8 text; write it in UTF-8") from None


def _exists(argument: str) -> bool:
    try:
        return Path(argument).exists()
    except OSError:
        # Too long for a name.
        return False
