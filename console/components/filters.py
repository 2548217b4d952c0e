"""Labelled fields of filter bars and forms, and a choice between a few."""

from collections.abc import Callable, Mapping
from typing import Any

from nicegui import ui


def text_filter(label: str, value: str | None, on_change: Callable[[str], Any], *, hint: str = "") -> ui.input:
    """A text field that is followed half a second after the last key."""
    with _field(label):
        field = ui.input(value=value or "", placeholder=hint, on_change=lambda event: on_change(event.value or ""))
        field.props("outlined dense clearable debounce=400").props["aria-label"] = label
    return field


def choice_filter(
    label: str, options: Mapping[str, str], value: str | None, on_change: Callable[[str], Any]
) -> ui.select:
    """A choice of one; the empty key stands for all."""
    with _field(label):
        field = ui.select(dict(options), value=value or "", on_change=lambda event: on_change(event.value or ""))
        field.props("outlined dense options-dense").props["aria-label"] = label
    return field.style("min-width: 130px")


def number_field(
    label: str, value: float | None, low: float = 0.0, high: float | None = None, *, hint: str = ""
) -> ui.number:
    """A number within bounds, or none."""
    with _field(label):
        field = ui.number(value=value, placeholder=hint, min=low, max=high).props("outlined dense")
        field.props["aria-label"] = label
    return field.style("width: 96px")


def toggle(options: Mapping[Any, str], value: Any, on_change: Callable[[Any], Any], *, label: str) -> ui.toggle:
    """A few choices side by side."""
    element = ui.toggle(dict(options), value=value, on_change=lambda event: on_change(event.value))
    element.props("unelevated no-caps toggle-color=primary").props["aria-label"] = label
    return element


def _field(label: str) -> ui.element:
    field = ui.element("div").classes("field")
    with field:
        ui.label(label).classes("field-label").props("aria-hidden=true")
    return field
