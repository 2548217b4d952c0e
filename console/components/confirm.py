"""Asking before something is done: what it will do, and for the gravest a word to type."""

from nicegui import ui


async def confirm(title: str, text: str, *, action: str, typed: str = "", danger: bool = False) -> bool:
    """Whether somebody agreed; with `typed`, only after typing exactly that."""
    with ui.dialog() as dialog, ui.card().classes("stack").style("max-width: 460px"):
        ui.label(title).style("font-weight: 600; font-size: 16px")
        ui.label(text).classes("muted break").style("white-space: pre-line")
        word = ui.input(f"Type {typed} to go on").props("outlined dense").classes("w-full") if typed else None
        with ui.element("div").classes("line w-full").style("justify-content: flex-end"):
            ui.button("Cancel", on_click=lambda: dialog.submit(False), color=None).props("flat")
            agree = ui.button(action, on_click=lambda: dialog.submit(True), color="negative" if danger else "primary")
            agree.props("unelevated")
        if word is not None:
            agree.bind_enabled_from(word, "value", backward=lambda value: value == typed)
    agreed = bool(await dialog)
    dialog.delete()
    return agreed
