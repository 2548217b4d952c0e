"""Visitors of the tips page: whom a signed link or cookie names and until when; a demo's may be anybody simulated."""

from dataclasses import dataclass
from json import dumps, loads
from time import time

from services.accounts.tickets import Tickets

LINK = "tips-link"
DAY_S = 24 * 3600
USUAL_DAYS, LONGEST_DAYS = 30, 90


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody on the tips page; `user_id` is None for a visitor of the demo, who may be any simulated person.

    `until` is in seconds since 1970, None for as long as the demo runs.
    """

    user_id: str | None
    until: int | None = None

    def may_stay(self, now: float) -> bool:
        """Whether the link's time has not passed."""
        return self.until is None or now < self.until

    def issue(self, tickets: Tickets, purpose: str) -> str:
        """A signed text that says this, for a link or a cookie."""
        return tickets.issue(purpose, dumps([self.user_id, self.until]))


def link_path(tickets: Tickets, user_id: str, days: int = USUAL_DAYS) -> tuple[str, int]:
    """The path of a person's tips page and when it ends, in seconds since 1970. Whoever has it is that person there."""
    until = int(time()) + days * DAY_S
    return f"/?link={Visitor(user_id, until).issue(tickets, LINK)}", until


def visitor_from(said: str | None) -> Visitor | None:
    """What a ticket said, None for none."""
    if said is None:
        return None
    user_id, until = loads(said)
    return Visitor(user_id, until)


def visitor_of_link(tickets: Tickets, token: str) -> Visitor | None:
    """Whom a link names, also when its time has passed; None when nobody of this HOME signed it."""
    return visitor_from(tickets.read(LINK, token))
