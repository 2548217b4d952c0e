"""Signed, expiring tokens for browsers: what a cookie or a link says, it says because this HOME signed it."""

import secrets as random
from math import inf
from pathlib import Path
from time import time

from itsdangerous import BadData, URLSafeTimedSerializer

from services.keys import load_or_create


class Tickets:
    """Signs texts for a purpose; a ticket of one purpose is worth nothing for another."""

    def __init__(self, keys_dir: Path) -> None:
        self._key = load_or_create(keys_dir / "tickets.key", lambda: random.token_urlsafe(32))

    def issue(self, purpose: str, said: str) -> str:
        """A URL-safe token that holds `said`."""
        return str(URLSafeTimedSerializer(self._key, salt=purpose).dumps(said))

    def read(self, purpose: str, ticket: str | None, max_age_s: float = inf) -> str | None:
        """What a ticket says; None for none, one that is too old, changed or of another purpose."""
        if not ticket:
            return None
        try:
            said, issued = URLSafeTimedSerializer(self._key, salt=purpose).loads(ticket, return_timestamp=True)
        except BadData:
            return None
        # Not by `loads`: it refuses what was issued a moment ahead, by a clock that was set back since.
        age_s = time() - issued.timestamp()
        return said if isinstance(said, str) and age_s <= max_age_s else None
