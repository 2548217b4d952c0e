"""Cards: a panel with a title and actions, and a single figure."""

from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import ui

from console.components.notice import Tone, heading


class Panel:
    """A panel under construction; `with panel.actions:` adds buttons beside its title."""

    def __init__(self, body: ui.element, actions: ui.element) -> None:
        self.body, self.actions = body, actions


@contextmanager
def panel(title: str, *, note: str = "", flush: bool = False) -> Iterator[Panel]:
    """A section with its title; `flush` lets a table reach the edges."""
    with ui.element("section").classes("panel flush" if flush else "panel") as body:
        body.props["aria-label"] = title
        with ui.element("div").classes("panel-head"):
            with ui.element("div").classes("grow"):
                heading(2, title)
                if note:
                    ui.label(note).classes("muted small")
            actions = ui.element("div").classes("line")
        yield Panel(body, actions)


def figure(label: str, value: str, *, note: str = "", tone: Tone = "", target: str = "") -> ui.element:
    """One number with what it counts; with a `target` the whole card is a link."""
    with ui.element("a" if target else "div").classes("figure") as element:
        if target:
            element.props["href"] = target
        ui.label(label).classes("figure-label")
        ui.label(value).classes("figure-value")
        if note:
            ui.label(note).classes(f"figure-note tone-{tone}" if tone else "figure-note")
    return element


def figures(expected: int) -> ui.element:
    """A row of figures; until they are known, `expected` blanks of their height hold their place."""
    row = ui.element("div").classes("cols figures")
    with row:
        for _ in range(expected):
            ui.element("div").classes("skeleton").style("height: 96px")
    return row


def icon_button(icon: str, label: str, on_click: object = None) -> ui.button:
    """A button that shows only an icon, with its name for screen readers and as a tooltip."""
    button = ui.button(icon=icon, on_click=on_click, color=None)  # type: ignore[arg-type]
    button.props["aria-label"] = button.props["title"] = label
    return button.props("flat").classes("icon-only")
