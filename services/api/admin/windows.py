"""The window of a report: the last so many days, or from one day to another; days are UTC days."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal, Self

from fastapi import Depends, Query

from services.problems import Problem

MOST_DAYS = 3660

Source = Literal["all", "ours", "imported"]
EXTERNAL: dict[Source, bool | None] = {"all": None, "ours": False, "imported": True}


@dataclass(frozen=True, slots=True)
class Window:
    """From the first to the last day, both within it; None leaves that side open."""

    first: date | None = None
    last: date | None = None

    @classmethod
    def of(cls, days: int | None = None, since: date | None = None, until: date | None = None) -> Self:
        """The last `days` (today is one of them), or `since` to `until`. Raises Problem naming the field."""
        if days is not None:
            if since is not None or until is not None:
                raise Problem.invalid([("days", "excludes since and until: give a number of days or a first and last")])
            if not 1 <= days <= MOST_DAYS:
                raise Problem.invalid([("days", f"must be 1 to {MOST_DAYS}")])
            return cls(datetime.now(UTC).date() - timedelta(days=days - 1))
        if until == date.max:
            raise Problem.invalid([("until", f"must be before {date.max}")])
        if since is not None and until is not None and until < since:
            raise Problem.invalid([("until", "is before since")])
        return cls(since, until)

    def moments(self) -> dict[str, Any]:
        """As reports take it: the first moment, and the first one past it."""
        ends = {"since": self.first, "until": self.last and self.last + timedelta(days=1)}
        return {name: datetime.combine(day, time(), UTC) for name, day in ends.items() if day is not None}


async def window_of(
    days: Annotated[int | None, Query(ge=1, le=MOST_DAYS, description="the last so many days, with today")] = None,
    since: Annotated[date | None, Query(description="first day; instead of `days`")] = None,
    until: Annotated[date | None, Query(description="last day, within the window")] = None,
) -> Window:
    """A route's dependency. Raises Problem."""
    return Window.of(days, since, until)


WindowOf = Annotated[Window, Depends(window_of)]
SourceOf = Annotated[Source, Query(description="`ours` leaves imported decisions out, `imported` keeps only them")]
