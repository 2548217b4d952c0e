"""What the folds would make a dead letter of, found before it is published."""

from contracts.codec import UNSIGNED, as_recorded
from contracts.envelope import Malformed, Message


def fault(message: Message, now_us: int) -> str | None:
    """Why an unsigned message that the stream takes at `now_us` would be a dead letter; None when it is an event."""
    found = UNSIGNED.decode(as_recorded(message, 1, now_us * 1000))
    return f"{found.reason}: {found.detail}" if isinstance(found, Malformed) else None
