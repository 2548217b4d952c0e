"""A line or two that somebody has to read."""

from typing import Literal

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

Tone = Literal["", "good", "warn", "bad", "accent"]


def heading(level: int, text: str) -> ui.element:
    """A heading, so that screen readers can jump to it."""
    return TextElement(tag=f"h{level}", text=text)


def notice(text: str, *, tone: Tone = "", title: str = "") -> ui.element:
    """A framed message; `bad` ones are announced to screen readers."""
    with ui.element("div").classes(f"notice tone-{tone}" if tone else "notice") as element:
        element.props(f"role={'alert' if tone == 'bad' else 'status'}")
        if title:
            ui.label(title).style("font-weight: 600")
        ui.label(text).classes("break")
    return element


def chip(word: str, tone: Tone = "") -> ui.element:
    """A state as a word with its colour."""
    return ui.label(word).classes(f"chip tone-{tone}" if tone else "chip")


def empty(title: str, text: str, *, link: str = "", target: str = "", icon: str = "inbox") -> None:
    """Nothing to show yet: why, and what to do next."""
    with ui.element("div").classes("empty"):
        ui.icon(icon).props("aria-hidden=true")
        heading(3, title)
        ui.label(text)
        if link:
            ui.link(link, target)
