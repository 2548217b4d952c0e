"""A message of the stream as one JSON line, as `tipstream tail` prints it and the console's download holds it."""

from typing import Any

import orjson

from contracts.envelope import Recorded
from contracts.times import format_time


def body_of(recorded: Recorded) -> Any:
    """The body as JSON values; as text, with U+FFFD for what is no UTF-8, when it is no JSON."""
    try:
        return orjson.loads(recorded.data)
    except ValueError:
        return recorded.data.decode(errors="replace")


def json_line(recorded: Recorded) -> bytes:
    """`seq`, `recorded`, `subject`, `headers` and `body`, without the line's end."""
    shown = {
        "seq": recorded.seq,
        "recorded": format_time(recorded.recorded_us),
        "subject": recorded.subject,
        "headers": dict(recorded.headers),
        "body": body_of(recorded),
    }
    return orjson.dumps(shown)
