"""CloudEvents 1.0 binary mode over NATS headers (`ce-*`, percent-encoded as the NATS binding asks), and our own."""

import re
from contextlib import suppress
from urllib.parse import quote, unquote

CE_ID = "ce-id"
CE_TYPE = "ce-type"
CE_SOURCE = "ce-source"
CE_TIME = "ce-time"
CE_SPECVERSION = "ce-specversion"
SPECVERSION = "1.0"
TRACEPARENT = "traceparent"
MSG_ID = "Nats-Msg-Id"
ACTOR = "tipstream-actor"
KEY_ID = "tipstream-key"
SIGNATURE = "tipstream-signature"

_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')

_PLAIN = re.compile(r"[!#$&-~]*\Z")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")


def valid_traceparent(value: str | None) -> str | None:
    """A caller's W3C trace context, None when it is none (the W3C asks to ignore such)."""
    return value if value is not None and _TRACEPARENT.match(value) else None


def to_header(value: str) -> str:
    """A header value in visible ASCII."""
    return value if _PLAIN.match(value) else quote(value, safe=_SAFE)


def from_header(value: str) -> str:
    """The text behind a header value. What is not UTF-8 stands as it was written, a lone surrogate as its escape:
    no two values become one."""
    text = value
    if "%" in value:
        with suppress(UnicodeDecodeError):
            text = unquote(value, errors="strict")
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()
