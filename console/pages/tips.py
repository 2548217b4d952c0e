"""The tips page."""

from nicegui import ui


@ui.page("/")
async def tips() -> None:
    """To come."""
    ui.label("Tipstream")
