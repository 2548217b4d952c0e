"""A report: a named, parameterised question that the analytics process answers from its DuckDB tables and views.

Its text is ours and fixed; what a caller gives is bound to `$names` and never becomes text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from contracts.errors import TipstreamError

Kind = type[str] | type[int] | type[float] | type[bool] | type[datetime] | type[date] | type[list[str]]


class UnknownReport(TipstreamError):
    """There is no report of that name; the message lists those there are."""


class BadParameter(TipstreamError):
    """A report has no such parameter, or its value is of another type; the message names it."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report's name, its SELECT over tables and views, its parameters' types, its order, and what to know of it.

    A parameter that is not given is NULL; the SELECT says what that means. Moments come as RFC 3339 with an offset and
    are bound as naive UTC, as the tables hold them. Every parameter must stand in the SELECT as `$name`.
    """

    name: str
    sql: str
    order: str
    comment: str
    parameters: Mapping[str, Kind] = field(default_factory=dict)

    def bind(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """A value for each parameter, from JSON values. Raises BadParameter."""
        if unknown := given.keys() - self.parameters.keys():
            known = ", ".join(self.parameters) or "none"
            raise BadParameter(f"report {self.name} has no parameter {min(unknown)[:80]!r}; it has {known}")
        return {name: self._value(name, kind, given.get(name)) for name, kind in self.parameters.items()}

    def _value(self, name: str, kind: Kind, value: Any) -> Any:
        if value is None:
            return None
        try:
            bound: Any = msgspec.convert(value, kind)
        except msgspec.ValidationError as problem:
            raise BadParameter(f"report {self.name}, parameter {name}: {problem}") from None
        if not isinstance(bound, datetime):
            return bound
        if bound.tzinfo is None:
            raise BadParameter(f"report {self.name}, parameter {name}: needs a UTC offset, such as Z or +01:00")
        return bound.astimezone(UTC).replace(tzinfo=None)
