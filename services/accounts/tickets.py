"""Signed, expiring tokens for browsers: what a cookie or a link says, it says because this HOME signed it."""

import secrets as random
from pathlib import Path

from itsdangerous import BadData, URLSafeTimedSerializer

from services.keys import load_or_create


class Tickets:
    """Signs texts for a purpose; a ticket of one purpose is worth nothing for another."""

    def __init__(self, keys_dir: Path) -> None:
        self._key = load_or_create(keys_dir / "tickets.key", lambda: random.token_urlsafe(32))

    def issue(self, purpose: str, said: str) -> str:
        """A URL-safe token that holds `said`."""
        return str(URLSafeTimedSerializer(self._key, salt=purpose).dumps(said))

    def read(self, purpose: str, ticket: str | None, max_age_s: int) -> str | None:
        """What a ticket says; None for none, one that is too old, changed or of another purpose."""
        if not ticket:
            return None
        try:
            said = URLSafeTimedSerializer(self._key, salt=purpose).loads(ticket, max_age=max_age_s)
        except BadData:
            return None
        return said if isinstance(said, str) else None
