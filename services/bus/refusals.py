"""Whether the stream stores nothing although its server is there: it has no room, is closed, or gives no acks."""

from collections.abc import Callable

STORES_NOTHING = frozenset({10002, 10023, 10047, 10054, 10077, 10109})
"""JetStream's codes for a stream that takes no message, whatever is in it: the account's limits are reached,
insufficient resources, storage resources exceeded, somebody limited the size of messages, store failed, sealed."""
# With its disk full a server gives no answer. One late ack is no sign of that.
SILENT_S = 3.0
# Whoever was refused may never ask again, and nothing would end it.
KEPT_S = 60.0


class Refusals:
    """What publishing met since the last ack; `now` is a clock in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._refused: tuple[float, str] | None = None
        self._silent: tuple[float, float] | None = None

    @property
    def current(self) -> str | None:
        """Why nothing is stored, None while that is not known to be so."""
        now = self._now()
        if self._refused is not None and now - self._refused[0] < KEPT_S:
            return self._refused[1]
        if self._silent is not None:
            first, last = self._silent
            if last - first >= SILENT_S and now - last < KEPT_S:
                return "no ack, though the server answers"
        return None

    def answered(self, error: dict[str, object] | None) -> None:
        """The stream acknowledged a message (no error), or refused it."""
        if error is None:
            self.forget()
        elif error.get("err_code") in STORES_NOTHING:
            self._refused = (self._now(), str(error.get("description")))

    def unanswered(self) -> None:
        """A message got no ack in time from a server that is there."""
        now = self._now()
        self._silent = (now if self._silent is None else self._silent[0], now)

    def forget(self) -> None:
        """Begin anew, as after a reconnect: a server that was started again may have room."""
        self._refused = self._silent = None
