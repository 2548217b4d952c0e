"""Standard output as a person's terminal or a pipe can take it."""

import codecs
import errno
import io
import os
import re
import sys

ESCAPED = "tipstream.escaped"
DRIVING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
LOST = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE})


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """JSON's escapes, which leave JSON exact and are read by people too."""
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)), error.end


codecs.register_error(ESCAPED, _escaped)


def visible(text: str) -> str:
    """Text that drives no terminal: control characters but tab and line's end, and those that turn its direction, as
    JSON's escapes. JSON stays exact.
    """
    return DRIVING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def escape_what_is_lacking() -> None:
    """Print characters that the encoding of standard output lacks as \\uXXXX from now on."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=ESCAPED)


def is_lost(error: OSError) -> bool:
    """Whether an error says that what was printed cannot be written; what is left of it is thrown away then."""
    if error.filename is not None or error.errno not in LOST:
        return False
    # It would be tried again at the end of the process, with a traceback.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return True
