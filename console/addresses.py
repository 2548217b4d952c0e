"""Addresses within the console: what can be seen can be linked to, filters stand in the query string."""

from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator


def url(path: str, **values: Any) -> str:
    """A path with the values that are set; None, False and empty ones are left out."""
    kept = {name: _text(value) for name, value in values.items() if value not in (None, "", False)}
    return path + (f"?{urlencode(kept)}" if kept else "")


def otherwise(default: Any) -> WrapValidator:
    """Take a query parameter that cannot be read as `default`, as if it were not there: addresses are typed by hand."""

    def read(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            return default

    return WrapValidator(read)


def user_url(user_id: str) -> str:
    """The page of one person."""
    return url("/admin/users", user=user_id)


def decision_url(decision_id: str) -> str:
    """The page that explains one decision."""
    return url("/admin/recommendations", decision=decision_id)


def experiment_url(experiment_id: str) -> str:
    """The page of one A/B experiment."""
    return url("/admin/experiments", experiment=experiment_id)


def event_url(seq: int) -> str:
    """One event of the stream."""
    return url("/admin/events", seq=seq)


class Address:
    """The filters of the page that is shown; the browser's address follows them without a reload."""

    def __init__(self, path: str, **values: Any) -> None:
        self._path = path
        self.values = values

    @property
    def url(self) -> str:
        return url(self._path, **self.values)

    def set(self, **changes: Any) -> None:
        """Change filters and the address."""
        self.values |= changes
        ui.navigate.history.replace(self.url)


def _text(value: Any) -> str:
    return "true" if value is True else str(value)
