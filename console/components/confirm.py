"""Asking before something is done: what it will do, why, and for the gravest a word to type."""

import asyncio
from contextlib import suppress
from typing import Any, TypeVar

from nicegui import ui

MOST_CHARACTERS = 4000
HIDING_S = 1.0
Field = TypeVar("Field", ui.input, ui.textarea)


async def confirm(title: str, text: str, *, action: str, typed: str = "", danger: bool = False) -> bool:
    """Whether somebody agreed; with `typed`, only after typing exactly that."""
    return await reasoned(title, text, action=action, typed=typed, danger=danger, reason=False) is not None


async def reasoned(
    title: str,
    text: str,
    *,
    action: str,
    typed: str = "",
    danger: bool = False,
    reason: bool = True,
    needed: bool = False,
) -> str | None:
    """The reason that somebody gave for it, which may be empty unless it is `needed`; None when they did not agree."""
    with ui.dialog() as dialog, ui.card().classes("stack").style("max-width: 520px; width: 100%"):
        dialog.props["aria-label"] = title
        ui.label(title).style("font-weight: 600; font-size: 16px").classes("break")
        ui.label(text).classes("muted break").style("white-space: pre-line; max-height: 40vh; overflow-y: auto")
        word = _word(typed) if typed else None
        why = _field("Reason", ui.input()) if reason else None
        with ui.element("div").classes("line w-full").style("justify-content: flex-end"):
            ui.button("Cancel", on_click=lambda: dialog.submit(False), color=None).props("flat")
            agree = ui.button(action, on_click=lambda: dialog.submit(True), color="negative" if danger else "primary")
            agree.props("unelevated")
        if why is not None and needed:
            agree.bind_enabled_from(why, "value", backward=lambda value: bool((value or "").strip()))
        if word is not None:
            agree.bind_enabled_from(word, "value", backward=lambda value: value == typed)
    agreed = bool(await answer_of(dialog))
    if not agreed:
        return None
    return (why.value or "").strip()[:MOST_CHARACTERS] if why is not None else ""


async def answer_of(dialog: ui.dialog) -> Any:
    """What a dialogue was submitted with, None when it was left; it is deleted then."""
    hidden = asyncio.Event()
    dialog.on("hide", hidden.set)
    answer = await dialog
    # Only one that may hide gives the focus back to where it was.
    with suppress(TimeoutError):
        async with asyncio.timeout(HIDING_S):
            await hidden.wait()
    if not dialog.is_deleted:
        dialog.delete()
    return answer


def _word(typed: str) -> ui.input | ui.textarea:
    ui.label(f"Type {typed} to go on").classes("break small").props("aria-hidden=true")
    # A line break cannot be typed into a single line.
    label = f"Type {typed} to go on"
    return _field(label, ui.textarea(), shown=False) if "\n" in typed else _field(label, ui.input(), shown=False)


def _field(label: str, field: Field, *, shown: bool = True) -> Field:
    field.props("outlined dense").classes("w-full").props["aria-label"] = label
    if shown:
        field.props["placeholder"] = f"{label}, kept in the history"
    return field
